--[[
Registers a client (its lease) with a stream, unless the stream is being stopped.
Atomic against beginStop: either the stop sees this client, or this client sees the stop.
A client that moves to another worker joins again under its old id: only `worker_id` changes then.

KEYS[1] clients (set)                  KEYS[4] owner
KEYS[2] record of this client (hash)   KEYS[5] term
KEYS[3] stopping                       KEYS[6] last_client_disconnect_time
ARGV[1] client id   ARGV[2] lease in ms   ARGV[3..] field, value, ... of the record

Returns {code, owner, term}: code 1 joined, -1 the stream is stopping (nothing written).
]]
if redis.call('EXISTS', KEYS[3]) == 1 then
  return { -1, '', 0 }
end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[6])
return { 1, redis.call('GET', KEYS[4]) or '', tonumber(redis.call('GET', KEYS[5]) or '0') }
