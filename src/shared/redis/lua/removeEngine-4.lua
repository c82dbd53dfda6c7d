--[[
Removes one engine by hand and remembers that, so that a configuration or an orchestrator that still
lists it does not bring it back. Streams that run on it go on.

KEYS[1] registry (hash)   KEYS[3] assigned (sorted set)
KEYS[2] health (hash)     KEYS[4] removed (set)
ARGV[1] id   ARGV[2] channel that is told

Returns 1 removed, 0 there was none.
]]
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('SADD', KEYS[4], ARGV[1])
redis.call('PUBLISH', ARGV[2], cjson.encode({ type = 'engine_removed', engine = ARGV[1] }))
return 1
