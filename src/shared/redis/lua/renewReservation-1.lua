--[[
Prolongs a reservation, by Redis' clock. A reservation that is gone (it ran out, or Redis came back
empty) is made again: the session is there, so it must be counted.

KEYS[1] reservations (hash)
ARGV[1] lease id   ARGV[2] engine   ARGV[3] stream   ARGV[4] worker   ARGV[5] term
ARGV[6] life of the lease, ms

Returns 1 prolonged, 2 made again.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local added = redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({
  engine = ARGV[2],
  stream = ARGV[3],
  worker = ARGV[4],
  term = tonumber(ARGV[5]),
  expiresAt = now + tonumber(ARGV[6]),
}))
return added == 1 and 2 or 1
