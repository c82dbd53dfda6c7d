--[[
Drops clients whose lease ran out (their record is gone). The caller looked which ones may be gone;
this checks again, so that a lease renewed in between survives. The grace period begins only where
there is a stream.

KEYS[1] clients (set)   KEYS[2] last_client_disconnect_time   KEYS[3] metadata
KEYS[4..] records to check
ARGV[1] now, ms   ARGV[2] life of KEYS[2], ms   ARGV[3..] client ids, in the order of KEYS[4..]

Returns the number of clients dropped.
]]
local dropped = 0
for i = 4, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    dropped = dropped + redis.call('SREM', KEYS[1], ARGV[i - 1])
  end
end
if dropped > 0 and redis.call('SCARD', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
return dropped
