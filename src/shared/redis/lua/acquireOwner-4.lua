--[[
Wins the stream for a worker: takes the lock, raises the term, writes who owns it.
The first owner of a stream's life also writes `init_time`, which names that life; a takeover keeps
it, and with it the numbering of the ring and what is known of the engine session. `previous_owner`
is empty when the owner before is known to be gone (it gave the lock back, or its death was seen);
an owner whose lock only ran out may still be reading from the engine. `previous_session_id` is what it
read: the new owner cares for it, so the owner before leaves it alone when it learns that it lost.
A lock in this worker's own name is won too: transferOwner has put it there, or the answer of an
earlier call got lost.

KEYS[1] owner   KEYS[2] term   KEYS[3] stopping   KEYS[4] metadata (hash)
ARGV[1] worker id   ARGV[2] lock life, ms   ARGV[3] life of the other keys, ms   ARGV[4] now, ms
ARGV[5] content id   ARGV[6] key type

Returns {code, term, life, holder, given}: code 1 won, 0 another worker holds it (without term and life), -1 the stream
is stopping (without any); given 1: by transferOwner, the engine's connection is on its way.
]]
if redis.call('EXISTS', KEYS[3]) == 1 then
  return { -1, 0, '', '' }
end
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return { 0, 0, '', redis.call('GET', KEYS[1]) }
end
local given = redis.call('HGET', KEYS[4], 'handover_to') == ARGV[1]
-- Also one that somebody else was meant for: it would win a lock twice over later.
redis.call('HDEL', KEYS[4], 'handover_to')
local term = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('HSETNX', KEYS[4], 'init_time', ARGV[4])
redis.call('HSETNX', KEYS[4], 'state', 'initializing')
local previous = redis.call('HGET', KEYS[4], 'owner') or ''
local session = redis.call('HGET', KEYS[4], 'playback_session_id') or ''
redis.call('HSET', KEYS[4], 'previous_owner', previous, 'previous_session_id', session, 'content_id', ARGV[5],
  'key_type', ARGV[6], 'owner', ARGV[1], 'term', term, 'state_changed_at', ARGV[4])
redis.call('PEXPIRE', KEYS[4], ARGV[3])
return { 1, term, redis.call('HGET', KEYS[4], 'init_time'), ARGV[1], given and 1 or 0 }
