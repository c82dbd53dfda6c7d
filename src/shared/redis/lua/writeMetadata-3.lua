--[[
Writes fields of the metadata for the holder of the lock only (spec 3.1), in one step.

KEYS[1] owner   KEYS[2] term   KEYS[3] metadata (hash)
ARGV[1] worker id   ARGV[2] term   ARGV[3] life (init_time)   ARGV[4..] field, value, ...

Returns 1 written, -1 another owner, term or life.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2]
  or redis.call('HGET', KEYS[3], 'init_time') ~= ARGV[3] then
  return -1
end
redis.call('HSET', KEYS[3], unpack(ARGV, 4))
return 1
