--[[
Removes the whole stream at the end of its stop and says so. The life counts because terms begin again
with it: Redis may have come back empty in the middle of the stop, and the stream have begun anew.

KEYS[1] owner   KEYS[2] term   KEYS[3] metadata (hash)   KEYS[4..] every other key of the stream
ARGV[1] worker id   ARGV[2] term   ARGV[3] life (init_time)
ARGV[4] channel of events   ARGV[5] event, JSON

Returns 1 removed, -1 another owner, term or life.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2]
  or redis.call('HGET', KEYS[3], 'init_time') ~= ARGV[3] then
  return -1
end
for i = 1, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
