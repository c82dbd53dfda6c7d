--[[
Chooses an engine for a stream and reserves the slot, in one step. Repeating a call whose answer was
lost gives the same engine again. Reservations that ran out (by Redis' clock) are dropped, and so are
those of the same stream with an older term: their owner is gone.
Order: fewest streams, forwarded first, those with a fair score (0.5 and more as it stands now: bad marks
halve in five minutes), longest unassigned, id. Never: draining or withheld by its source, unhealthy,
excluded, full. An engine without a health entry counts as healthy and fair.

KEYS[1] registry (hash)   KEYS[3] reservations (hash)
KEYS[2] health (hash)     KEYS[4] assigned (sorted set)
ARGV[1] lease id   ARGV[2] stream   ARGV[3] worker   ARGV[4] term   ARGV[5] life of the lease, ms
ARGV[6] streams per engine where its record names none   ARGV[7..] engines to leave out

Returns {1, engine record (JSON), how many others were free} when reserved, else
{0, total, draining, unhealthy, excluded, full}; each engine is counted once, in this order.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function decode(text)
  local ok, value = pcall(cjson.decode, text or '')
  return ok and type(value) == 'table' and value or {}
end

local load = {}
local all = redis.call('HGETALL', KEYS[3])
for i = 1, #all, 2 do
  local held = decode(all[i + 1])
  local record = all[i] == ARGV[1] and redis.call('HGET', KEYS[1], held.engine)
  if record then
    return { 1, record, 0 }
  end
  local superseded = held.stream == ARGV[2] and (tonumber(held.term) or 0) < tonumber(ARGV[4])
  if superseded or (tonumber(held.expiresAt) or 0) <= now then
    redis.call('HDEL', KEYS[3], all[i])
  else
    local engine = held.engine or ''
    load[engine] = (load[engine] or 0) + 1
  end
end

-- The scores themselves are no order: the longest unassigned would never get its turn.
local function isFair(health)
  local age = math.max(now - (tonumber(health.scoredAt) or now), 0)
  return 1 - (1 - (tonumber(health.score) or 1)) * 0.5 ^ (age / 300000) >= 0.5
end

local excluded = {}
for i = 7, #ARGV do
  excluded[ARGV[i]] = true
end

local counts = { total = 0, draining = 0, unhealthy = 0, excluded = 0, full = 0 }
local best
local free = 0
local function better(a, b)
  if a.load ~= b.load then return a.load < b.load end
  if a.forwarded ~= b.forwarded then return a.forwarded end
  if a.fair ~= b.fair then return a.fair end
  if a.assigned ~= b.assigned then return a.assigned < b.assigned end
  return a.id < b.id
end

local registry = redis.call('HGETALL', KEYS[1])
for i = 1, #registry, 2 do
  local id, record = registry[i], decode(registry[i + 1])
  local known = record.id == id
  local max = type(record.max) == 'number' and record.max or tonumber(ARGV[6])
  local streams = load[id] or 0
  local health = decode(redis.call('HGET', KEYS[2], id))
  counts.total = counts.total + (known and 1 or 0)
  if not known then
    -- Not a record of ours: nobody could be sent there.
  elseif record.draining == true or record.withheld == true then
    counts.draining = counts.draining + 1
  elseif health.healthy == false then
    counts.unhealthy = counts.unhealthy + 1
  elseif excluded[id] then
    counts.excluded = counts.excluded + 1
  elseif streams >= max then
    counts.full = counts.full + 1
  else
    local candidate = {
      id = id,
      record = registry[i + 1],
      load = streams,
      forwarded = record.forwarded == true,
      fair = isFair(health),
      assigned = tonumber(redis.call('ZSCORE', KEYS[4], id) or 0),
    }
    free = free + 1
    if not best or better(candidate, best) then
      best = candidate
    end
  end
end

if not best then
  return { 0, counts.total, counts.draining, counts.unhealthy, counts.excluded, counts.full }
end
-- Two assignments within one millisecond still have an order.
local newest = redis.call('ZREVRANGE', KEYS[4], 0, 0, 'WITHSCORES')
redis.call('ZADD', KEYS[4], math.max(now, tonumber(newest[2] or 0) + 1), best.id)
redis.call('HSET', KEYS[3], ARGV[1], cjson.encode({
  engine = best.id,
  stream = ARGV[2],
  worker = ARGV[3],
  term = tonumber(ARGV[4]),
  expiresAt = now + tonumber(ARGV[5]),
}))
return { 1, best.record, free - 1 }
