--[[
Adds lines to the story of a stream, for the holder of the lock only, so that nobody leaves a list
behind after the stream has ended.

KEYS[1] owner   KEYS[2] term   KEYS[3] story (list)
ARGV[1] worker id   ARGV[2] term   ARGV[3] lines that are kept   ARGV[4] life of the list, ms
ARGV[5..] lines, JSON, oldest first

Returns 1 told, -1 another term or owner.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return -1
end
redis.call('RPUSH', KEYS[3], unpack(ARGV, 5))
redis.call('LTRIM', KEYS[3], -tonumber(ARGV[3]), -1)
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1
