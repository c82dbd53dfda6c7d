--[[
Replaces what is known of an engine's health if it is still what the caller computed from, so that two
workers that report at the same time both count.

KEYS[1] registry (hash)   KEYS[2] health (hash)
ARGV[1] id   ARGV[2] expected text, '' for none   ARGV[3] new text (JSON)

Returns 1 replaced, 0 somebody was faster, -1 there is no such engine.
]]
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return -1
end
if (redis.call('HGET', KEYS[2], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
