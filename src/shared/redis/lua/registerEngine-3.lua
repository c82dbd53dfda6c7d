--[[
Registers one engine by hand, or replaces its record whatever its source was; lifts a removal by hand.
What was known of its health is forgotten.

KEYS[1] registry (hash)   KEYS[2] health (hash)   KEYS[3] removed (set)
ARGV[1] id   ARGV[2] engine record (JSON)   ARGV[3] channel that is told

Returns 1 when it is new, 0 when it was replaced.
]]
local added = redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('PUBLISH', ARGV[3], cjson.encode({ type = 'engine_registered', engine = ARGV[1] }))
return added
