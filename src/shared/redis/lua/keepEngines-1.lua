--[[
Makes one worker of all hosts the keeper of the engines, or prolongs its being so.

KEYS[1] keeper
ARGV[1] worker   ARGV[2] life, ms

Returns 1 this worker is the keeper, 0 another one is.
]]
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
