-- What the log holds after a place, of all topics or of some, up to the last id that the node knows.
-- KEYS: log, meta, own, topics. ARGV: epoch; where to begin ('after', 'brought', 'since', 'ago',
-- 'before' or 'earliest') and its value; the last id; most events; most bytes; the beginning of the topics' keys;
-- the topics, none for all.
-- An index that was lost, or does not go back so far, is not used: then entries of all topics are answered.
-- Returns {'epoch'}, or {after, '1' for a gap, the oldest or '', read to, entries}.
local call = redis.call
local log, meta, own, topic_counts = unpack(KEYS)
local kind, value, last = ARGV[2], ARGV[3], ARGV[4]
local max_events, max_bytes, topic_keys = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local state = call('HMGET', meta, 'epoch', 'birth', 'floor', 'lossy', 'oldest', 'term', 'topics', 'whole',
  'floor_time', 'step')
if state[1] ~= ARGV[1] then return {'epoch'} end
local birth, floor, is_lossy = state[2], state[3], state[4] == '1'
local term, topic_count, whole = state[6] or birth, tonumber(state[7] or ''), state[8] or ''

local function parts(id)
  local ms, seq = id:match('^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function is_before(a, b)
  local a_ms, a_seq = parts(a)
  local b_ms, b_seq = parts(b)
  return a_ms < b_ms or (a_ms == b_ms and a_seq < b_seq)
end

-- 'step': the clock went back; up to this entry none was taken later than at this time. An id has the
-- milliseconds of its entry, or later ones; then the entry has a time of its own.
local step_id, step_ms = (state[10] or ''):match('^(%S+) (%d+)$')

local function time_of(entry)
  local time = tonumber(entry[2][5] or (parts(entry[1])))
  if step_id and not is_before(step_id, entry[1]) then time = math.min(time, tonumber(step_ms)) end
  return time
end

local function floor_time()
  local id, ms = (state[9] or ''):match('^(%S+) (%d+)$')
  return id == floor and tonumber(ms) or (parts(floor))
end

local function id_before(id)
  local found = call('XREVRANGE', log, '(' .. id, '-', 'COUNT', 1)[1]
  return found and found[1] or floor
end

local function is_known(id)
  if is_before(id, birth) then return false end
  return id == birth or id == floor or #call('XRANGE', log, id, id) > 0
end

-- What has come into the log since a time is all there, unless that is older than what was lost.
local function is_cut(ms)
  local birth_ms = parts(birth)
  return (floor ~= birth and floor ~= '0-0' and floor_time() >= ms) or (is_lossy and birth_ms >= ms)
end

local function between(a, b)
  local a_ms, a_seq = parts(a)
  local b_ms, b_seq = parts(b)
  if b_ms > a_ms + 1 then return string.format('%.0f-0', a_ms + math.floor((b_ms - a_ms) / 2)) end
  if b_ms > a_ms and b_seq > 0 then return string.format('%.0f-0', b_ms) end
  if b_ms > a_ms then b_seq = 2 ^ 53 end
  return string.format('%.0f-%.0f', a_ms, a_seq + math.floor((b_seq - a_seq) / 2))
end

-- The first entry behind a place, and whether it was taken before this time.
local function is_early(id, to, ms)
  local found = call('XRANGE', log, '(' .. id, to, 'COUNT', 1)[1]
  return found, found and time_of(found) < ms
end

-- The place before the first entry that was taken at or after this time.
local function place_at(ms)
  local early, to = id_before(string.format('%.0f-0', ms)), last
  -- Where the clock was ahead: by halves, since times do not decrease with ids.
  for _ = 1, 200 do
    if not is_before(early, to) then break end
    local found, is_over = is_early(early, to, ms)
    if not is_over then break end
    early = found[1]
    local middle = between(early, to)
    found, is_over = is_early(middle, to, ms)
    if is_over then early = found[1] else to = middle end
  end
  return early
end

local function begin()
  if kind == 'after' then
    if is_before(value, floor) then return floor, true end
    return value, false
  elseif kind == 'brought' then
    local id = value
    if not id:match('^%d+-%d+$') then id = call('HGET', own, value) end
    if id and not id:find('!', 1, true) and is_known(id) then return id, false end
    local from = is_before(birth, floor) and floor or birth
    -- An id of a server that this one was promoted in place of, or of what it has lost: before it came all
    -- that this server had when it went on.
    if value:match('^%d+-%d+$') and is_before(from, term) and is_before(term, value) then from = term end
    return from, true
  elseif kind == 'since' or kind == 'ago' then
    local ms = tonumber(value)
    if kind == 'ago' then
      local now = call('TIME')
      ms = math.max(0, tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - ms)
    end
    return ms == 0 and floor or place_at(ms), is_cut(ms)
  elseif kind == 'before' then
    return id_before(value), false
  end
  return floor, false
end

local entries, size = {}, 0
local function is_full() return #entries >= max_events or size >= max_bytes end
local function take(entry)
  entries[#entries + 1] = entry
  for _, field in ipairs(entry[2]) do size = size + #field end
end

-- Returns the last id that was looked at, or nil when that was all.
local function read_all(after)
  local from, step = '(' .. after, math.min(max_events, 16)
  while not is_full() do
    local some = call('XRANGE', log, from, last, 'COUNT', step)
    for _, entry in ipairs(some) do take(entry) end
    if #some < step then return nil end
    from = '(' .. some[#some][1]
  end
  return entries[#entries][1]
end

-- The ids of these topics' events in order, and up to where these are all (nil: to the end).
local function ids_of_topics(after)
  local count = math.max(8, math.ceil(2 * max_events / (#ARGV - 7)))
  local ids, seen, complete_to = {}, {}, nil
  for i = 8, #ARGV do
    local some = call('XRANGE', topic_keys .. ARGV[i], '(' .. after, last, 'COUNT', count)
    for _, entry in ipairs(some) do
      if not seen[entry[1]] then seen[entry[1]] = true ids[#ids + 1] = entry[1] end
    end
    local end_of = #some == count and some[count][1]
    if end_of and (not complete_to or is_before(end_of, complete_to)) then complete_to = end_of end
  end
  table.sort(ids, is_before)
  return ids, complete_to
end

local function read_topics(after)
  local ids, complete_to = ids_of_topics(after)
  for _, id in ipairs(ids) do
    if complete_to and is_before(complete_to, id) then break end
    if is_full() then return entries[#entries][1] end
    local entry = call('XRANGE', log, id, id)[1]
    if entry then take(entry) end
  end
  return complete_to
end

local function is_indexed(after)
  if topic_count ~= call('HLEN', topic_counts) or (whole ~= '' and is_before(after, whole)) then return false end
  for i = 8, #ARGV do
    local count = call('HGET', topic_counts, ARGV[i]) or '0'
    if tonumber(count) ~= call('XLEN', topic_keys .. ARGV[i]) then return false end
  end
  return true
end

local after, gap = begin()
local read_to = nil
if is_before(after, last) then
  if #ARGV > 7 and is_indexed(after) then read_to = read_topics(after) else read_to = read_all(after) end
  read_to = read_to or last
else
  read_to = after
end
return {after, gap and '1' or '0', state[5], read_to, entries}
