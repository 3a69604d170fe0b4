-- Begins another epoch, unless another node has: its birth id is above every id given before.
-- KEYS: log, meta, own, spent, retained, topics. ARGV: the epoch that is to end ('': there is none); the new
-- one; milliseconds that the birth id is to be above; '1' where something of what was there before is lost;
-- the server's run id; where sequences begin; the newest id that the caller saw on the server that it
-- followed, as '<run id>=<id>', or ''.
-- Returns {epoch}.
local call = redis.call
local log, meta, own, spent, retained, topics = unpack(KEYS)
local is_lossy = ARGV[4] == '1'
local MAX_SEEN = 16
local state = call('HMGET', meta, 'epoch', 'floor', 'owns', 'whole', 'spent', 'seen')
local current = state[1]
if (current or '') ~= ARGV[1] then return {current or ''} end

local last = 0
if call('EXISTS', log) == 1 then
  local info = call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = tonumber(info[i + 1]:match('^%d+')) end
  end
end
local now = call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local birth = string.format('%.0f-%s', math.max(last, now_ms, tonumber(ARGV[3])) + 1, ARGV[6])
if last == 0 then
  -- Leaves an empty stream, which XSETID needs.
  call('XADD', log, 'MAXLEN', 0, '*', 'd', '')
end
call('XSETID', log, birth)

local floor, oldest = birth, call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local owns, whole = state[3] or '-1', state[4] or birth
if oldest then
  floor = current and state[2] or '0-0'
else
  call('HSET', meta, 'bytes', 0)
  call('DEL', own)
  owns, whole = '0', ''
end

-- Own ids that were used before may stand for other events now, which only the filter could tell.
local used = state[5] or ''
if call('EXISTS', spent) == 1 then used = '1' elseif is_lossy and (used ~= '' or not current) then used = 'lost' end

-- Per server the newest id that somebody saw there, the latest first.
local seen = {}
if ARGV[7] ~= '' then
  local server = ARGV[7]:match('^%x+')
  seen[1] = ARGV[7]
  for entry in (state[6] or ''):gmatch('%S+') do
    if entry:match('^%x+') ~= server and #seen < MAX_SEEN then seen[#seen + 1] = entry end
  end
  seen = table.concat(seen, ' ')
else
  seen = state[6] or ''
end

local retained_bytes = 0
for _, key in ipairs(call('HKEYS', retained)) do
  retained_bytes = retained_bytes + #key + #call('HGET', retained, key):match('^%S+ (.*)$')
end
call('HSET', meta, 'epoch', ARGV[2], 'birth', birth, 'floor', floor, 'lossy', ARGV[4],
  'oldest', oldest and oldest[1] or '', 'server', ARGV[5], 'first', ARGV[6], 'term', birth, 'last', birth,
  'owns', owns, 'whole', whole, 'topics', call('HLEN', topics), 'spent', used, 'seen', seen,
  'values', call('HLEN', retained), 'retained_bytes', string.format('%.0f', retained_bytes))
call('HSETNX', meta, 'bytes', 0)
call('HSETNX', meta, 'added', 0)
return {ARGV[2]}
