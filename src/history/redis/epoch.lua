-- Begins another epoch, unless somebody else has: its birth id is above every id given before.
-- KEYS: log, meta, own. ARGV: the epoch that is to end ('': there is none); the new one; milliseconds that the
-- birth id is to be above; '1' where something of what was there before is lost.
-- Answers {epoch}.
local call = redis.call
local log, meta = KEYS[1], KEYS[2]
local current = call('HGET', meta, 'epoch')
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
local birth = string.format('%.0f-0', math.max(last, now_ms, tonumber(ARGV[3])) + 1)
if last == 0 then
  -- Leaves an empty stream, which XSETID needs.
  call('XADD', log, 'MAXLEN', 0, '*', 'd', '')
end
call('XSETID', log, birth)

local floor, oldest = birth, call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
if oldest then
  floor = current and call('HGET', meta, 'floor') or '0-0'
else
  call('HSET', meta, 'bytes', 0)
  call('DEL', KEYS[3])
end
call('HSET', meta, 'epoch', ARGV[2], 'birth', birth, 'floor', floor, 'lossy', ARGV[4],
  'oldest', oldest and oldest[1] or '')
call('HSETNX', meta, 'bytes', 0)
call('HSETNX', meta, 'added', 0)
call('HSETNX', meta, 'retained_bytes', 0)
return {ARGV[2]}
