--[[
The owner's heartbeat: prolongs its lock and the life of the stream's keys, and reads in the same step
what the owner must know: how many clients there are, since when there is none, who asks for a stop.
A lock that ran out and that nobody won since (same life, same term) is taken back.

KEYS[1] owner      KEYS[4] index      KEYS[7] last_client_disconnect_time
KEYS[2] term       KEYS[5] marks      KEYS[8] stop_request
KEYS[3] metadata   KEYS[6] clients
ARGV[1] worker id   ARGV[2] term   ARGV[3] life (init_time)   ARGV[4] lock life, ms
ARGV[5] life of the other keys, ms   ARGV[6..] field, value, ... to write into the metadata

Returns {code, clients, last disconnect or '', stop request or ''}:
code 1 renewed, 0 the stream's keys are gone (Redis came back empty), -1 another owner, term or life:
what a later life left behind without a lock is for its next owner to inherit, not for us to overwrite.
]]
local owner = redis.call('GET', KEYS[1])
local term = redis.call('GET', KEYS[2])
local life = redis.call('HGET', KEYS[3], 'init_time')
if (owner and owner ~= ARGV[1]) or (term and term ~= ARGV[2]) or (life and life ~= ARGV[3]) then
  return { -1, 0, '', '' }
end
if not term or not life then
  return { 0, 0, '', '' }
end
-- PEXPIRE is allowed to a Redis without memory, and so is then the rest of the script.
if redis.call('PEXPIRE', KEYS[1], ARGV[4]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
end
if #ARGV > 5 then
  redis.call('HSET', KEYS[3], unpack(ARGV, 6))
end
for i = 2, 6 do
  redis.call('PEXPIRE', KEYS[i], ARGV[5])
end
return { 1, redis.call('SCARD', KEYS[6]), redis.call('GET', KEYS[7]) or '',
  redis.call('GET', KEYS[8]) or '' }
