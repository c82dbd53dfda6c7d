--[[
Appends one chunk to the ring: the fence of the whole design. Only the holder of the lock, in its
term, can write; an index that is not new is answered as written, so a repeated call is harmless.
Chunks that fall out of the byte bound are removed in the same step.

KEYS[1] owner   KEYS[3] index   KEYS[5] last_data
KEYS[2] term    KEYS[4] marks   KEYS[6] the chunk     KEYS[7..] chunks that fall out
ARGV[1] worker id   ARGV[2] term   ARGV[3] index of the chunk   ARGV[4] life of a chunk, ms
ARGV[5] life of index and marks, ms   ARGV[6] channel of notices   ARGV[7] mark, JSON
ARGV[8] bytes   ARGV[9] now, ms   ARGV[10] name of the tables or ''   ARGV[11] tables or ''
ARGV[12..] numbers of the chunks that fall out, in the order of KEYS[7..]

Returns 1 written (or already there), -1 another term or owner.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return -1
end
local head = tonumber(redis.call('GET', KEYS[3]) or '0')
local index = tonumber(ARGV[3])
if index <= head then
  return 1
end
redis.call('SET', KEYS[6], ARGV[8], 'PX', ARGV[4])
redis.call('HSET', KEYS[4], ARGV[3], ARGV[7])
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[4], 'tables:' .. ARGV[10], ARGV[11])
end
if #KEYS > 6 then
  redis.call('UNLINK', unpack(KEYS, 7))
  redis.call('HDEL', KEYS[4], unpack(ARGV, 12))
end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[5])
redis.call('PEXPIRE', KEYS[4], ARGV[5])
redis.call('SET', KEYS[5], ARGV[9], 'PX', ARGV[5])
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
