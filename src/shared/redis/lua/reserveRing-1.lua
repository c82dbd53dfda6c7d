--[[
Reserves memory for the ring of a stream, before Redis is full (spec 4). Atomic: two streams never get
the same bytes. A stream that has a reservation, or that runs, only says anew what it needs.
What others keep in this Redis counts too: memory in use, without what the rings are known to hold.

KEYS[1] reservations (hash): stream → "expiry,bytes reserved,bytes held"
ARGV[1] stream   ARGV[2] bytes wanted   ARGV[3] bytes held   ARGV[4] life of the reservation, ms
ARGV[5] bound of all reservations, bytes, 0 for none
ARGV[6] part of maxmemory for rings, 0 where rings are spread over the nodes of a Cluster
ARGV[7] '1' the stream runs

Returns {1 reserved, free bytes before} or {0 refused, free bytes}; free is -1 without any bound.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reserved, held, known = 0, 0, false
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local expiry, bytes, holds = all[i + 1]:match('^(%d+),(%d+),(%d+)$')
  if not expiry or tonumber(expiry) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    held = held + tonumber(holds)
    if all[i] == ARGV[1] then
      known = true
    else
      reserved = reserved + tonumber(bytes)
    end
  end
end

local free = -1
if tonumber(ARGV[5]) > 0 then
  free = math.max(0, tonumber(ARGV[5]) - reserved)
end
-- Not allowed to every user: then only the bound that is configured counts.
local info = tonumber(ARGV[6]) > 0 and redis.pcall('INFO', 'memory')
if type(info) == 'string' then
  local used = tonumber(info:match('used_memory:(%d+)') or '0')
  local limit = tonumber(info:match('\nmaxmemory:(%d+)') or '0')
  if limit > 0 then
    local others = math.max(0, used - held)
    local left = math.max(0, math.floor(limit * tonumber(ARGV[6])) - others - reserved)
    free = free < 0 and left or math.min(free, left)
  end
end
if ARGV[7] ~= '1' and not known and free >= 0 and tonumber(ARGV[2]) > free then
  return { 0, free }
end
local value = string.format('%.0f,%.0f,%.0f', now + tonumber(ARGV[4]), ARGV[2], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], value)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return { 1, free }
