--[[
Ends a worker's being the keeper of the engines; another worker's is left alone. Idempotent.

KEYS[1] keeper
ARGV[1] worker

Returns 1 ended, 0 it was not this worker.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
