--[[
Makes the engines of one source equal to a list: adds and updates those on it, removes the others of
this source with all that is known of them. An engine keeps its draining flag. An id that another
source registered stays as it is, and an id that was removed by hand stays away.
A configuration speaks for its engines as long as some proxy that has it calls this: what it listed is
removed, or goes over to the next that lists it, when it was silent for the given time by Redis' clock.

KEYS[1] registry (hash)   KEYS[3] assigned (sorted set)   KEYS[5] sources (sorted set by last call, ms)
KEYS[2] health (hash)     KEYS[4] removed (set)
ARGV[1] source   ARGV[2] channel that is told of a change   ARGV[3] how long a configuration may be
silent, ms   ARGV[4..] engine records (JSON)

Returns {{ids that stay away}, {ids that another source has with another address}}.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[5], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - tonumber(ARGV[3]))

-- Operators write here too: a record that cannot be read is nobody's, and may be replaced.
local function decode(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == 'table' and value
end

local function is_mine(source)
  if source == ARGV[1] then return true end
  return type(source) == 'string' and source:sub(1, 7) == 'config:'
    and not redis.call('ZSCORE', KEYS[5], source)
end

local function same(a, b)
  for key, value in pairs(a) do
    if b[key] ~= value then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local changed = false
local away = {}
local taken = {}
local listed = {}
for i = 4, #ARGV do
  local record = cjson.decode(ARGV[i])
  listed[record.id] = true
  local text = redis.call('HGET', KEYS[1], record.id)
  local known = decode(text)
  local moved = known and (known.host ~= record.host or known.port ~= record.port)
  if redis.call('SISMEMBER', KEYS[4], record.id) == 1 then
    away[#away + 1] = record.id
  elseif not known or is_mine(known.source) then
    if known then
      record.draining = known.draining == true
    end
    if moved then
      redis.call('HDEL', KEYS[2], record.id)
    end
    if not known or not same(known, record) then
      redis.call('HSET', KEYS[1], record.id, cjson.encode(record))
      changed = true
    end
  elseif moved then
    taken[#taken + 1] = record.id
  end
end
local registry = redis.call('HGETALL', KEYS[1])
for i = 1, #registry, 2 do
  local known = decode(registry[i + 1])
  if not listed[registry[i]] and known and is_mine(known.source) then
    redis.call('HDEL', KEYS[1], registry[i])
    redis.call('HDEL', KEYS[2], registry[i])
    redis.call('ZREM', KEYS[3], registry[i])
    changed = true
  end
end
if changed then
  redis.call('PUBLISH', ARGV[2], cjson.encode({ type = 'engines_changed', source = ARGV[1] }))
end
return { away, taken }
