--[[
Removes the keys of a stream that nobody owns and nobody watches. A player that came back since the
caller looked has registered or holds the lock, and keeps its stream.

KEYS[1] owner   KEYS[2] clients (set)   KEYS[3..] every key of the stream that was found

Returns the number of keys removed, or -1 when somebody owns or watches it.
]]
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('SCARD', KEYS[2]) > 0 then
  return -1
end
local removed = 0
for i = 3, #KEYS do
  removed = removed + redis.call('UNLINK', KEYS[i])
end
return removed
