-- What came after a place, with the state of the log at that same moment.
-- KEYS: log, meta. ARGV: place; most events; most bytes; '1' to have the entry at the place as well.
-- Answers {epoch or false, birth, floor, bytes, added, length, oldest or false, whether the entry at the
-- place is there, that entry or false, entries}.
local call = redis.call
local log, meta = KEYS[1], KEYS[2]
local place, max_events, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local state = call('HMGET', meta, 'epoch', 'birth', 'floor', 'bytes', 'added')
if not state[1] then return {false} end
local length = call('XLEN', log)
local oldest = call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local here = call('XRANGE', log, place, place)[1]

local average = math.max(1, tonumber(state[4]) / math.max(1, length))
local step = math.max(1, math.min(max_events, math.floor(max_bytes / average)))
local entries, size, from = {}, 0, '(' .. place
while #entries < max_events and size < max_bytes do
  local count = math.min(step, max_events - #entries)
  local some = call('XRANGE', log, from, '+', 'COUNT', count)
  for _, entry in ipairs(some) do
    entries[#entries + 1] = entry
    for _, field in ipairs(entry[2]) do size = size + #field end
  end
  if #some < count then break end
  from = '(' .. some[#some][1]
end
return {state[1], state[2], state[3], state[4], state[5], length,
  oldest and oldest[1] or false, here and 1 or 0, ARGV[4] == '1' and here or false, entries}
