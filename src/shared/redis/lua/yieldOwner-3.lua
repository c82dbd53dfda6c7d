--[[
Gives the lock back without stopping the stream, so that a follower can win the next term at once.
Also frees the lock of a dead worker: only the value that the caller names is removed. A stop that this worker had
begun goes with its lock: nobody would end it, and it keeps new viewers and the next owner out.

KEYS[1] owner   KEYS[2] metadata (hash)   KEYS[3] stopping
ARGV[1] worker id   ARGV[2] channel of events   ARGV[3] event, JSON

Returns 1 freed, 0 the lock was not this worker's.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
if redis.call('GET', KEYS[3]) == ARGV[1] then
  redis.call('DEL', KEYS[3])
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'owner', '')
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
