--[[
Takes one of a user's places for a connection, or prolongs the one that it has. Counted by Redis' own
clock, because the lives are short and the hosts' clocks differ. Harmless when it runs twice.

KEYS[1] places of the user (sorted set: connection by expiry, ms)
ARGV[1] connection   ARGV[2] limit   ARGV[3] life of the place, ms

Returns 1 the connection has its place, 0 all places are taken.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
