--[[
Drops all reservations of a worker that is gone. Idempotent.

KEYS[1] reservations (hash)
ARGV[1] worker

Returns nothing.
]]
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local ok, held = pcall(cjson.decode, all[i + 1])
  if ok and type(held) == 'table' and held.worker == ARGV[1] then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
