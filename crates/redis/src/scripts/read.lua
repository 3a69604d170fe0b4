-- What the log holds after a position, of all topics or of some, up to the last id that the node knows.
-- KEYS: see entries.lua, and further own. ARGV: see there, and behind these where to begin ('after',
-- 'last_event_id', 'since', 'ago', 'before' or 'earliest') and its value; the last id; the topics, none for all.
-- An index that was lost, or does not go back so far, is not used: then entries of all topics are returned.
-- Returns {'epoch'}, also where what is left of erased events is lost, which begins another; or {after, '1' for a gap,
-- the oldest or '', read to, entries, members of erased events}.
local ids_by_key, kind, value, last, FIRST_TOPIC = KEYS[5], ARGV[5], ARGV[6], ARGV[7], 8
local epoch, birth, floor, lossy, oldest, term, topic_count, incomplete_to, dropped_at, step, has_erased =
  unpack(call('HMGET', meta, 'epoch', 'birth', 'floor', 'lossy', 'oldest', 'term', 'topics', 'whole', 'floor_time',
    'step', 'erased'))
if epoch ~= ARGV[1] then return {'epoch'} end
local is_whole, erased, erased_at = erased_by(has_erased)
if not is_whole then return {'epoch'} end
term = term or birth

-- The clock went back; up to this entry none was taken later than at this time.
local step_id, step_time = (step or ''):match('^(%S+) (%d+)$')
step_time = tonumber(step_time)

local function floor_time()
  local id, ms = (dropped_at or ''):match('^(%S+) (%d+)$')
  return id == floor and tonumber(ms) or (parts(floor))
end

local function id_before(id)
  local found = call('XREVRANGE', log, '(' .. id, '-', 'COUNT', 1)[1]
  local before, erased_before = found and found[1] or floor, erased and erased.newest_before(id)
  return erased_before and is_before(before, erased_before) and erased_before or before
end

local function is_known(id)
  if is_before(id, birth) then return false end
  -- What came after the birth may be dropped since.
  return id == floor or id == birth and not is_before(birth, floor) or #call('XRANGE', log, id, id) > 0
    or erased and is_before(floor, id) and erased.has(id)
end

-- What has come into the log since a time is all there, unless that is older than what was lost.
local function is_cut(ms)
  local birth_ms = parts(birth)
  return (floor ~= birth and floor ~= '0-0' and floor_time() >= ms) or (lossy == '1' and birth_ms >= ms)
end

local function between(a, b)
  local a_ms, a_seq = parts(a)
  local b_ms, b_seq = parts(b)
  if b_ms > a_ms + 1 then return string.format('%.0f-0', a_ms + math.floor((b_ms - a_ms) / 2)) end
  if b_ms > a_ms and b_seq > 0 then return string.format('%.0f-0', b_ms) end
  if b_ms > a_ms then b_seq = 2 ^ 53 end
  return string.format('%.0f-%.0f', a_ms, a_seq + math.floor((b_seq - a_seq) / 2))
end

-- The first entry after an id, and whether it was taken before this time.
local function is_early(id, to, ms)
  local found = call('XRANGE', log, '(' .. id, to, 'COUNT', 1)[1]
  return found, found and time_of(found, step_id, step_time) < ms
end

-- The id before the first entry that was taken at or after this time.
local function id_before_time(ms)
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
  elseif kind == 'last_event_id' then
    local id = value
    if not id:match('^%d+-%d+$') then id = call('HGET', ids_by_key, value) end
    if id and not id:find('!', 1, true) and is_known(id) then return id, false end
    local from = is_before(birth, floor) and floor or birth
    -- An id of a server that this one was promoted in place of, or of what it has lost: before it came all
    -- that this server had when it went on.
    if value:match('^%d+-%d+$') and is_before(from, term) and is_before(term, value) then from = term end
    return from, true
  elseif kind == 'since' or kind == 'ago' then
    local ms = tonumber(value)
    if kind == 'ago' then ms = math.max(0, now_ms() - ms) end
    return ms == 0 and floor or id_before_time(ms), is_cut(ms)
  elseif kind == 'before' then
    return id_before(value), false
  end
  return floor, false
end

-- Returns the last id that was looked at, or nil when that was all.
local function read_all(after)
  local from, step = '(' .. after, math.min(max_events, 16)
  while not is_full() do
    local some = call('XRANGE', log, from, last, 'COUNT', step)
    for _, entry in ipairs(some) do add(entry) end
    if #some < step then return nil end
    from = '(' .. some[#some][1]
  end
  return entries[#entries][1]
end

-- The ids of these topics' events in order, and up to where these are all (nil: to the end).
local function ids_of_topics(after)
  local count = math.max(8, math.ceil(2 * max_events / (#ARGV - FIRST_TOPIC + 1)))
  local ids, seen, complete_to = {}, {}, nil
  for i = FIRST_TOPIC, #ARGV do
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
    if entry then add(entry) end
  end
  return complete_to
end

-- What is left of the erased events after an id and up to another, and up to where that is all (nil: to the end).
local function read_erased(after, to)
  if #ARGV < FIRST_TOPIC then return erased.between(after, to, max_bytes) end
  return erased.of_topics({unpack(ARGV, FIRST_TOPIC)}, after, to, max_bytes)
end

local after, gap = begin()
local read_to, members = nil, {}
if is_before(after, last) then
  local has_topics = #ARGV >= FIRST_TOPIC
  if has_topics and is_indexed(FIRST_TOPIC, topic_count, incomplete_to, after) then
    read_to = read_topics(after)
  else
    read_to = read_all(after)
  end
  read_to = read_to or last
else
  read_to = after
end
if erased and is_before(after, erased_at) then
  local complete_to = nil
  members, complete_to = read_erased(after, read_to)
  if complete_to then
    read_to = complete_to
    cut(read_to, is_before)
  end
end
return {after, gap and '1' or '0', oldest, read_to, entries, members}
