--[[
Appends one chunk to the ring: the fence of the whole design. Only the holder of the lock, in its
term and life, can write; an index that is not new is answered as written, so a repeated call is
harmless. The life counts because terms begin again with it, and chunks come over another connection
than locks: a late one of an earlier life would lift the head above all that follow.
Chunks that fall out of the byte bound are removed in the same step.

KEYS[1] owner   KEYS[3] index   KEYS[5] last_data   KEYS[7] the chunk
KEYS[2] term    KEYS[4] marks   KEYS[6] metadata    KEYS[8..] chunks that fall out
ARGV[1] worker id   ARGV[2] term   ARGV[3] index of the chunk   ARGV[4] life of a chunk, ms
ARGV[5] life of index and marks, ms   ARGV[6] channel of notices   ARGV[7] mark, JSON
ARGV[8] bytes   ARGV[9] now, ms   ARGV[10] name of the tables or ''   ARGV[11] tables or ''
ARGV[12] life (init_time)
ARGV[13..] numbers of the chunks that fall out, in the order of KEYS[8..]

Returns 1 written (or already there), -1 another owner, term or life.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2]
  or redis.call('HGET', KEYS[6], 'init_time') ~= ARGV[12] then
  return -1
end
local head = tonumber(redis.call('GET', KEYS[3]) or '0')
local index = tonumber(ARGV[3])
if index <= head then
  return 1
end
redis.call('SET', KEYS[7], ARGV[8], 'PX', ARGV[4])
redis.call('HSET', KEYS[4], ARGV[3], ARGV[7])
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[4], 'tables:' .. ARGV[10], ARGV[11])
end
if #KEYS > 7 then
  redis.call('UNLINK', unpack(KEYS, 8))
  redis.call('HDEL', KEYS[4], unpack(ARGV, 13))
end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[5])
redis.call('PEXPIRE', KEYS[4], ARGV[5])
redis.call('SET', KEYS[5], ARGV[9], 'PX', ARGV[5])
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
