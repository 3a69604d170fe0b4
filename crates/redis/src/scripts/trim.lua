-- The end of the scripts that write to the log, see log.lua: drops what retention no longer keeps, and writes what is
-- counted. The state that it returns is, with spaces between: the last id before this call; '1' where its entry was
-- the newest; the time; the trim floor; the oldest id or '-'; how many events the log holds; their bytes; how many were
-- ever added.
local MAX_DROPPED, MAX_DROPPED_BYTES, MAX_DROPPED_ERASED = 512, 8 * 1024 * 1024, 4096
-- Most topics of one command: `unpack` gives some thousand values at most.
local MAX_TOPICS = 1000

-- How many of the oldest to look at: a little too many where they are dropped by bytes or age.
local max_events, max_bytes, max_age = tonumber(argv[3]), tonumber(argv[4]), tonumber(argv[5])
local length, oldest_ms, dropped = call('XLEN', log), max_age == 0 and 0 or now - max_age, 0
local excess = max(0, length - max_events)
local excess_bytes = bytes + erased_bytes - max_bytes
if excess_bytes > 0 then excess = max(excess, math.ceil(excess_bytes * length / (bytes + erased_bytes))) end
if oldest_ms > 0 and oldest ~= '' then
  local is_over = tonumber(oldest:match('^%d+')) < oldest_ms
  if not is_over and (step_id or now < last_ms) then
    local entry = call('XRANGE', log, oldest, oldest)[1]
    is_over = entry and time_of(entry, step_id, step_time) < oldest_ms
  end
  if is_over then excess = MAX_DROPPED end
end

if excess > 0 then
  is_trimmed = is_trimmed or {}
  local some = 2 * (added - added_before)
  local average = max(1, bytes / length)
  local count = min(excess, MAX_DROPPED + some, max(8 + some, math.floor(MAX_DROPPED_BYTES / average)))
  -- One more: the first that is kept.
  local entries, last_dropped = call('XRANGE', log, '-', '+', 'COUNT', count + 1), nil

  local function is_kept(entry)
    return length - dropped <= max_events and bytes + erased_bytes <= max_bytes
      and time_of(entry, step_id, step_time) >= oldest_ms
  end

  local erased_set, erased_left = erased_members > 0 and erased_in(erased_events), MAX_DROPPED_ERASED

  -- Drops what is left of the erased events before an entry. Returns whether that is all.
  local function drop_erased(entry)
    local members, events, size, last_erased = erased_set.drop_before(entry[1], erased_left)
    erased_members, erased_bytes = erased_members - members, max(0, erased_bytes - size)
    erased_left = erased_left - events
    -- A node of before this version trims the log alone, so that they may lie before the floor.
    if last_erased and is_before(floor, last_erased[1]) then last_dropped = last_erased end
    return erased_left > 0
  end

  for i = 1, min(count, #entries) do
    local entry = entries[i]
    if is_kept(entry) or erased_set and (not drop_erased(entry) or is_kept(entry)) then break end
    forget(entry[2])
    dropped, last_dropped = i, entry
  end
  if last_dropped then
    floor = last_dropped[1]
    set('floor', floor)
    set('floor_time', format('%s %.0f', floor, time_of(last_dropped, step_id, step_time)))
  end
  if dropped > 0 then
    local kept = entries[dropped + 1]
    if kept then
      oldest = kept[1]
      call('XTRIM', log, 'MINID', '=', oldest)
    else
      oldest = ''
      call('XTRIM', log, 'MAXLEN', '=', 0)
    end
  end
end

-- Counts the entries of each topic's index, of one that has only grown in one step.
local topic = next(growth)
if topic and not is_trimmed and not next(growth, topic) then
  if call('HINCRBY', topic_counts, topic, growth[topic]) == growth[topic] then topic_count = topic_count + 1 end
elseif topic then
  -- How many entries an index has, where a part of them was dropped.
  local function trim_index(topic, count)
    local index = topic_keys .. topic
    if oldest ~= '' then call('XTRIM', index, 'MINID', '=', oldest) else call('DEL', index) end
    -- By what was dropped, so that an index that was lost does not come to look whole.
    if count > 0 then return count end
    local left = call('XLEN', index)
    if left == 0 then call('DEL', index) else set('whole', last) end
    return left
  end

  local names = {}
  for name in pairs(growth) do names[#names + 1] = name end
  for from = 1, #names, MAX_TOPICS do
    local to = min(from + MAX_TOPICS - 1, #names)
    local counts, new_counts = call('HMGET', topic_counts, unpack(names, from, to)), {}
    for i = from, to do
      local name, before = names[i], tonumber(counts[i - from + 1])
      local count = (before or 0) + growth[name]
      if is_trimmed and is_trimmed[name] then count = trim_index(name, count) end
      if count == 0 then
        topic_count = topic_count - call('HDEL', topic_counts, name)
      elseif count ~= before then
        new_counts[#new_counts + 1] = name
        new_counts[#new_counts + 1] = count
        if not before then topic_count = topic_count + 1 end
      end
    end
    if #new_counts > 0 then call('HSET', topic_counts, unpack(new_counts)) end
  end
end

set('oldest', oldest, oldest_before)
set('values', value_count, tonumber(values))
set('owns', key_count, tonumber(owns))
set('topics', topic_count, tonumber(topics))
set('spent', filter, spent)
if erased_at then
  set('erased', erased_members > 0 and format('%.0f %.0f %s', erased_members, erased_bytes, erased_at) or '')
end
call('HSET', meta, 'bytes', bytes, 'added', added, 'last', last, 'time', now, unpack(changed))

table.insert(replies, 1, format('%s %d %.0f %s %s %d %.0f %.0f', last_before, was_newest and 1 or 0, now, floor,
  oldest == '' and '-' or oldest, length - dropped, bytes + erased_bytes, added))
return replies
