--[[
Gives a stream to one certain worker, which then wins it by acquireOwner and goes on reading from the
same connection of the engine (spec 3.8). Nobody else can win it in between. A stop that this worker had begun is
over: nobody would end it.

KEYS[1] owner   KEYS[2] term   KEYS[3] metadata (hash)   KEYS[4] stopping
ARGV[1] worker id   ARGV[2] term   ARGV[3] worker that gets it   ARGV[4] lock life, ms
ARGV[5] bytes read and not yet in the ring (base64)   ARGV[6] name of the tables that hold there
ARGV[7] life (init_time)

Returns 1 given, -1 another owner, term or life.
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2]
  or redis.call('HGET', KEYS[3], 'init_time') ~= ARGV[7] then
  return -1
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('DEL', KEYS[4])
redis.call('HSET', KEYS[3], 'owner', '', 'handover_to', ARGV[3], 'handover_rest', ARGV[5],
  'handover_tables', ARGV[6])
return 1
