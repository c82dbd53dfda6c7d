--[[
Takes a client out of a stream. Idempotent: the second call changes nothing.
A client that another worker has meanwhile taken over (its record names that worker) stays.

The grace period begins only where there is a stream: a player that leaves before anybody owned it,
or after it was stopped, must not leave a key behind.

KEYS[1] clients (set)                  KEYS[4] last_client_disconnect_time
KEYS[2] record of this client (hash)   KEYS[5] metadata
KEYS[3] stop key of this client
ARGV[1] client id   ARGV[2] worker that lets go   ARGV[3] now, ms   ARGV[4] life of KEYS[4], ms

Returns the number of clients left, or -1 when the client belongs to another worker.
]]
local holder = redis.call('HGET', KEYS[2], 'worker_id')
if holder and holder ~= ARGV[2] then
  return -1
end
local removed = redis.call('SREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3])
local left = redis.call('SCARD', KEYS[1])
if left == 0 and removed == 1 and redis.call('EXISTS', KEYS[5]) == 1 then
  redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[4])
end
return left
