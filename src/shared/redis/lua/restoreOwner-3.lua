--[[
After Redis came back empty: the owner that kept feeding puts itself back, with its old term and life,
unless somebody else has won the stream meanwhile.

KEYS[1] owner   KEYS[2] term   KEYS[3] metadata (hash)
ARGV[1] worker id   ARGV[2] term   ARGV[3] lock life, ms   ARGV[4] life of the other keys, ms
ARGV[5..] field, value, ... of the whole metadata

Returns 1 restored, -1 another worker owns the stream.
]]
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return -1
end
local term = redis.call('GET', KEYS[2])
if term and tonumber(term) > tonumber(ARGV[2]) then
  return -1
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1
