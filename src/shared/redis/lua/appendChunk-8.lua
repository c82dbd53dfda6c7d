--[[
Appends one chunk to the ring: the fence of the whole design. Only the holder of the lock, in its
term and life, can write; an index that is not new is answered as written, so a repeated call is
harmless. The life counts because terms begin again with it, and chunks come over another connection
than locks: a late one of an earlier life would lift the head above all that follow.
Chunks that fall out of the byte bound are removed in the same step. The chunk's bytes are in Redis
already, under a name that only this append knows: as an argument they would be hashed byte by byte and copied
twice by Lua, which is most of what an append costs.

KEYS[1] owner   KEYS[3] index   KEYS[5] last_data   KEYS[7] the chunk
KEYS[2] term    KEYS[4] marks   KEYS[6] metadata    KEYS[8] the staged bytes
KEYS[9..] chunks that fall out
ARGV[1] worker id   ARGV[2] term   ARGV[3] index of the chunk   ARGV[4] life of a chunk, ms
ARGV[5] life of index and marks, ms   ARGV[6] channel of notices   ARGV[7] mark, JSON
ARGV[8] now, ms   ARGV[9] name of the tables or ''   ARGV[10] tables or ''   ARGV[11] life (init_time)
ARGV[12..] numbers of the chunks that fall out, in the order of KEYS[9..]

Returns 1 written (or already there), -1 another owner, term or life, -2 the staged bytes are gone.
]]
local owner, term, newest = unpack(redis.call('MGET', KEYS[1], KEYS[2], KEYS[3]))
if owner ~= ARGV[1] or term ~= ARGV[2] or redis.call('HGET', KEYS[6], 'init_time') ~= ARGV[11] then
  redis.call('UNLINK', KEYS[8])
  return -1
end
local head = tonumber(newest or '0')
local index = tonumber(ARGV[3])
if index <= head then
  redis.call('UNLINK', KEYS[8])
  return 1
end
if redis.call('PEXPIRE', KEYS[8], ARGV[4]) == 0 then
  return -2
end
redis.call('RENAME', KEYS[8], KEYS[7])
redis.call('HSET', KEYS[4], ARGV[3], ARGV[7])
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[4], 'tables:' .. ARGV[9], ARGV[10])
end
if #KEYS > 8 then
  redis.call('UNLINK', unpack(KEYS, 9))
  redis.call('HDEL', KEYS[4], unpack(ARGV, 12))
end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[5])
redis.call('PEXPIRE', KEYS[4], ARGV[5])
redis.call('SET', KEYS[5], ARGV[8], 'PX', ARGV[5])
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
