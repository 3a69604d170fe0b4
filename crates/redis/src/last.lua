-- The newest entries at or before an id, newest first, of all topics or of some.
-- KEYS: log, meta, topics. ARGV: epoch; the id, or '(' and the id to be before it; most events; most bytes; the
-- beginning of the topics' keys; the topics, none for all.
-- An index that was lost is not used: then entries of all topics are answered.
-- Returns {'epoch'}, or {birth, floor, whether these are all, entries}.
local call = redis.call
local log, meta, topic_counts = KEYS[1], KEYS[2], KEYS[3]
local last, max_events, max_bytes, topic_keys = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local state = call('HMGET', meta, 'epoch', 'birth', 'floor', 'topics', 'whole')
if state[1] ~= ARGV[1] then return {'epoch'} end

local function is_after(a, b)
  local a_ms, a_seq = a:match('^(%d+)-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)-(%d+)$')
  a_ms, b_ms = tonumber(a_ms), tonumber(b_ms)
  return a_ms > b_ms or (a_ms == b_ms and tonumber(a_seq) > tonumber(b_seq))
end

local entries, size = {}, 0
local function is_full() return #entries >= max_events or size >= max_bytes end
local function take(entry)
  entries[#entries + 1] = entry
  for _, field in ipairs(entry[2]) do size = size + #field end
end

local function take_all()
  local step = math.min(max_events, 16)
  while not is_full() do
    local some = call('XREVRANGE', log, last, '-', 'COUNT', step)
    for _, entry in ipairs(some) do take(entry) end
    if #some < step then return true end
    last = '(' .. some[#some][1]
  end
  return false
end

local function take_topics()
  local ids, seen, is_complete = {}, {}, true
  for i = 6, #ARGV do
    local some = call('XREVRANGE', topic_keys .. ARGV[i], last, '-', 'COUNT', max_events)
    if #some == max_events then is_complete = false end
    for _, entry in ipairs(some) do
      if not seen[entry[1]] then seen[entry[1]] = true ids[#ids + 1] = entry[1] end
    end
  end
  table.sort(ids, is_after)
  for _, id in ipairs(ids) do
    if is_full() then return false end
    local entry = call('XRANGE', log, id, id)[1]
    if entry then take(entry) end
  end
  return is_complete
end

local function is_indexed()
  local whole = state[5] or ''
  if tonumber(state[4] or '') ~= call('HLEN', topic_counts) or (whole ~= '' and is_after(whole, state[3])) then
    return false
  end
  for i = 6, #ARGV do
    local count = call('HGET', topic_counts, ARGV[i]) or '0'
    if tonumber(count) ~= call('XLEN', topic_keys .. ARGV[i]) then return false end
  end
  return true
end

local is_all = nil
if #ARGV > 5 and is_indexed() then is_all = take_topics() else is_all = take_all() end
return {state[2], state[3], is_all and 1 or 0, entries}
