--[[
Makes the engines of one source equal to a list: adds and updates those on it, removes the others of
this source with all that is known of them. An engine keeps its draining flag. An id that another
source registered stays as it is, and an id that was removed by hand stays away.

KEYS[1] registry (hash)   KEYS[3] assigned (sorted set)
KEYS[2] health (hash)     KEYS[4] removed (set)
ARGV[1] source   ARGV[2] channel that is told of a change   ARGV[3..] engine records (JSON)

Returns {number of changes, id that stays away, ...}.
]]
local function same(a, b)
  for key, value in pairs(a) do
    if b[key] ~= value then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local changes = 0
local away = {}
local listed = {}
for i = 3, #ARGV do
  local record = cjson.decode(ARGV[i])
  listed[record.id] = true
  local text = redis.call('HGET', KEYS[1], record.id)
  local known = text and cjson.decode(text)
  if redis.call('SISMEMBER', KEYS[4], record.id) == 1 then
    away[#away + 1] = record.id
  elseif not known or known.source == ARGV[1] then
    if known then
      record.draining = known.draining
    end
    local moved = known and (known.host ~= record.host or known.port ~= record.port)
    if moved then
      redis.call('HDEL', KEYS[2], record.id)
    end
    if not known or not same(known, record) then
      redis.call('HSET', KEYS[1], record.id, cjson.encode(record))
      changes = changes + 1
    end
  end
end
local registry = redis.call('HGETALL', KEYS[1])
for i = 1, #registry, 2 do
  if not listed[registry[i]] and cjson.decode(registry[i + 1]).source == ARGV[1] then
    redis.call('HDEL', KEYS[1], registry[i])
    redis.call('HDEL', KEYS[2], registry[i])
    redis.call('ZREM', KEYS[3], registry[i])
    changes = changes + 1
  end
end
if changes > 0 then
  redis.call('PUBLISH', ARGV[2], cjson.encode({ type = 'engines_changed', source = ARGV[1] }))
end
return { changes, unpack(away) }
