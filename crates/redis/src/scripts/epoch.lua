-- Begins another epoch, unless another node has: its birth id is above every id given before.
-- KEYS: log, meta, own, spent, retained, topics, erased. ARGV: the epoch that is to end ('': there is none); the new
-- one; milliseconds that the birth id is to be above; '1' where something of what was there before is lost;
-- the server's run id; where sequences begin; the newest id that the caller saw on the server that it
-- followed, as '<run id>=<id>', or ''.
-- Returns {epoch}.
local log, meta, ids_by_key, used_keys, retained, topic_counts, erased_events = unpack(KEYS)
local is_lossy = ARGV[4] == '1'
local MAX_SEEN = 16
local epoch, known_floor, key_count, incomplete_to, filter, seen_before, erased =
  unpack(call('HMGET', meta, 'epoch', 'floor', 'owns', 'whole', 'spent', 'seen', 'erased'))
if (epoch or '') ~= ARGV[1] then return {epoch or ''} end

local last_ms = parts(last_generated_id(log) or '0-0')
local birth = string.format('%.0f-%s', math.max(last_ms, now_ms(), tonumber(ARGV[3])) + 1, ARGV[6])
if last_ms == 0 then
  -- Leaves an empty stream, which XSETID needs.
  call('XADD', log, 'MAXLEN', 0, '*', 'd', '')
end
call('XSETID', log, birth)

local floor, oldest = birth, call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
key_count, incomplete_to = key_count or '-1', incomplete_to or birth
if oldest then
  floor = epoch and known_floor or '0-0'
else
  call('HSET', meta, 'bytes', 0)
  call('DEL', ids_by_key, erased_events)
  key_count, incomplete_to = '0', ''
end

-- What was left of erased events is kept as far as it is there.
local erased_members = call('ZCARD', erased_events)
if erased_members == 0 then
  erased = ''
elseif tonumber((erased or ''):match('^%d+')) ~= erased_members then
  erased = string.format('%d 0 %s', erased_members, birth)
end

-- Idempotency keys that were used before may stand for other events now, which only the filter could tell.
filter = filter or ''
if call('EXISTS', used_keys) == 1 then
  filter = '1'
elseif is_lossy and (filter ~= '' or not epoch) then
  filter = 'lost'
end

-- Per server the newest id that somebody saw there, the latest first.
local seen = {}
if ARGV[7] ~= '' then
  local server = ARGV[7]:match('^%x+')
  seen[1] = ARGV[7]
  for entry in (seen_before or ''):gmatch('%S+') do
    if entry:match('^%x+') ~= server and #seen < MAX_SEEN then seen[#seen + 1] = entry end
  end
  seen = table.concat(seen, ' ')
else
  seen = seen_before or ''
end

local retained_bytes = 0
for _, key in ipairs(call('HKEYS', retained)) do
  retained_bytes = retained_bytes + #key + #call('HGET', retained, key):match('^%S+ (.*)$')
end
call('HSET', meta, 'epoch', ARGV[2], 'birth', birth, 'floor', floor, 'lossy', ARGV[4],
  'oldest', oldest and oldest[1] or '', 'server', ARGV[5], 'first', ARGV[6], 'term', birth, 'last', birth,
  'owns', key_count, 'whole', incomplete_to, 'topics', call('HLEN', topic_counts), 'spent', filter, 'seen', seen,
  'erased', erased,
  'values', call('HLEN', retained), 'retained_bytes', string.format('%.0f', retained_bytes))
call('HSETNX', meta, 'bytes', 0)
call('HSETNX', meta, 'added', 0)
return {ARGV[2]}
