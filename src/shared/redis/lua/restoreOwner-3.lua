--[[
After Redis came back empty: the owner that kept feeding puts itself back, with its old term and life,
unless somebody else has won the stream meanwhile, also when that one has let go of it again.

KEYS[1] owner   KEYS[2] term   KEYS[3] metadata (hash)
ARGV[1] worker id   ARGV[2] term   ARGV[3] lock life, ms   ARGV[4] life of the other keys, ms
ARGV[5] life (init_time)   ARGV[6..] field, value, ... of the whole metadata

Returns 1 restored, -1 another worker owns the stream, or another term or life of it has begun.
]]
local owner = redis.call('GET', KEYS[1])
local term = redis.call('GET', KEYS[2])
local life = redis.call('HGET', KEYS[3], 'init_time')
if (owner and owner ~= ARGV[1]) or (term and term ~= ARGV[2]) or (life and life ~= ARGV[5]) then
  return -1
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1
