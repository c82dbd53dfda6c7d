--[[
Sets or clears an engine's draining flag: a draining engine keeps its streams and gets no new one.

KEYS[1] registry (hash)
ARGV[1] id   ARGV[2] '1' to drain, '0' to end it   ARGV[3] channel that is told

Returns 1, or 0 when there is no such engine, or no record that can be read: operators write here too.
]]
local ok, record = pcall(cjson.decode, redis.call('HGET', KEYS[1], ARGV[1]))
if not ok or type(record) ~= 'table' then
  return 0
end
record.draining = ARGV[2] == '1'
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(record))
redis.call('PUBLISH', ARGV[3], cjson.encode({ type = 'engine_draining', engine = ARGV[1], draining = record.draining }))
return 1
