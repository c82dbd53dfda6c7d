--[[
Counts leases against a limit and takes one more when there is room. Asking again for a lease that is
held already prolongs it.

KEYS[1] leases (sorted set by expiry, ms)
ARGV[1] lease   ARGV[2] limit   ARGV[3] now, ms   ARGV[4] life of the lease, ms

Returns 1 admitted, 0 full.
]]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], tonumber(ARGV[3]) + tonumber(ARGV[4]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[4]) * 2)
return 1
