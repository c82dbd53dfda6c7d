--[[
Decides the stop of a stream. Atomic against joinStream: a client that registers first keeps the
stream, one that comes later is told to wait for the next life.

KEYS[1] owner   KEYS[2] term   KEYS[3] clients   KEYS[4] stopping   KEYS[5] last_client_disconnect_time
KEYS[6] metadata (hash)
ARGV[1] worker id   ARGV[2] term   ARGV[3] now, ms   ARGV[4] grace period, ms
ARGV[5] '1' stop although clients watch   ARGV[6] life of KEYS[4] and of the lock, ms
ARGV[7] since when the owner has seen nobody, ms, or '': counts where KEYS[5] is missing, because
        Redis lost it or the last client was never registered, or is no time, because operators write too
ARGV[8] life (init_time)

Returns 1 the stop has begun, 0 somebody watches or the grace period is not over, -1 not the owner.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2]
  or redis.call('HGET', KEYS[6], 'init_time') ~= ARGV[8] then
  return -1
end
if ARGV[5] ~= '1' then
  if redis.call('SCARD', KEYS[3]) > 0 then
    return 0
  end
  local left = tonumber((redis.call('GET', KEYS[5]) or ''):match('^%d+$') or ARGV[7])
  if not left or ARGV[3] - left < tonumber(ARGV[4]) then
    return 0
  end
end
-- First, so that a Redis without memory allows the rest: a stop is what frees memory.
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[6])
return 1
