--[[
Removes the whole stream at the end of its stop and says so.

KEYS[1] owner   KEYS[2] term   KEYS[3..] every other key of the stream
ARGV[1] worker id   ARGV[2] term   ARGV[3] channel of events   ARGV[4] event, JSON

Returns 1 removed, -1 another term or owner.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return -1
end
for i = 1, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
