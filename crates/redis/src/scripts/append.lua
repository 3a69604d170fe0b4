-- Appends batches, each whole or not at all, and drops what retention no longer keeps.
-- KEYS: log, meta, own, spent, retained, topics.
-- ARGV: epoch; the server's run id; '1' where there are idempotency keys; '1' where there are preconditions or
-- values to retain; most events, bytes and milliseconds of age (0: any); most retained values and bytes; the
-- beginning of the topics' keys; how many batches. Per batch: how many preconditions, values and events; each
-- precondition: key and id ('': not there); each value: key, '1' or '0' (removed), value, the number of the event in
-- the batch that it belongs to ('0': it is written at the last one); each event: topics, data, idempotency key, further
-- fields.
-- Returns {'epoch', the current one}, {'server'} where another server than the one that the log names was
-- reached, {'lost'} where retained values are gone, {'keys'} where the index of idempotency keys is; or per batch
-- its id or ids ('=' before one that was there already), {'conflict', key, id} or {'full'}.
--
-- An entry is topics, data and, where there are any, idempotency key, further fields; and, where the clock is behind
-- the ids, the time and nothing: up to three pairs of name and value.
--
-- Every call creates its functions and tables anew, which takes as long as the commands do: what few calls need is
-- created by these alone.
local argv, format, max, min = ARGV, string.format, math.max, math.min
local log, meta, ids_by_key, used_keys, retained, topic_counts = unpack(KEYS)
local MAX_DROPPED, MAX_DROPPED_BYTES = 512, 8 * 1024 * 1024
-- Most topics of one command: `unpack` gives some thousand values at most.
local MAX_TOPICS = 1000
-- Longer numbers are written with an exponent. Only somebody else's entry comes so far.
local MAX_SEQUENCE = 10 ^ 14 - 1

local epoch, server, bytes, added, oldest, first_sequence, last, values, topics, time, step, owns, spent =
  unpack(call('HMGET', meta, 'epoch', 'server', 'bytes', 'added', 'oldest', 'first', 'last', 'values', 'topics',
    'time', 'step', 'owns', 'spent'))
local has_keys, has_values = argv[3] == '1', argv[4] == '1'
if epoch ~= argv[1] then return {'epoch', epoch or ''} end
if server ~= argv[2] then return {'server'} end
-- Keys that were deleted or evicted are found by what they should hold; where that is nothing, nothing is lost.
if values ~= '0' and tonumber(values) ~= call('HLEN', retained) then return {'lost'} end
if has_keys and tonumber(owns) ~= call('HLEN', ids_by_key) then return {'keys'} end

bytes, added, first_sequence = tonumber(bytes), tonumber(added), tonumber(first_sequence)
local key_count, filter, topic_count = tonumber(owns), spent, call('HLEN', topic_counts)
local value_count, oldest_before, added_before = tonumber(values), oldest, added
local now, last_ms, last_sequence = now_ms(), parts(last)
local ms_prefix = format('%.0f-', last_ms)

local changed = {}
local function set(name, value, before)
  if value ~= before then
    local count = #changed
    changed[count + 1], changed[count + 2] = name, value
  end
end

-- An index of a topic is whole behind this id.
if topic_count ~= tonumber(topics) then set('whole', last) end

-- 'step': the clock went back; up to this entry none was taken later than at this time. An earlier step holds
-- until retention has passed it.
local step_id, step_time = nil, nil
if step and step ~= '' then
  step_id, step_time = step:match('^(%S+) (%d+)$')
  step_time = tonumber(step_time)
  if step_id and is_before(step_id, call('HGET', meta, 'floor')) then
    step_id = nil
    set('step', '')
  end
end
if now < (tonumber(time) or last_ms) and (not step_id or now <= step_time) then
  step_id, step_time = last, now
  set('step', format('%s %.0f', last, now))
end

-- Where an idempotency key is marked as used in a Bloom filter of 2 MiB: it errs on the side of "used".
local function filter_bits(key)
  local hash = redis.sha1hex(key)
  local bits = {}
  for i = 0, 3 do bits[i + 1] = tonumber(hash:sub(6 * i + 1, 6 * i + 6), 16) end
  return bits
end

-- Whether the filter can tell: where it was lost, any idempotency key may have been used.
local function is_filtered()
  if filter == '1' and call('EXISTS', used_keys) == 0 then filter = 'lost' end
  return filter == '1'
end

local function was_used(key)
  if not is_filtered() then return filter == 'lost' end
  for _, bit in ipairs(filter_bits(key)) do
    if call('GETBIT', used_keys, bit) == 0 then return false end
  end
  return true
end

-- Arguments are named by their numbers: where a batch's preconditions, values and events begin, and its last one.
local refusal, retain = nil, nil
if has_values then
  local retained_bytes = tonumber(call('HGET', meta, 'retained_bytes'))
  local max_values, max_retained_bytes = tonumber(argv[8]), tonumber(argv[9])

  -- The id that a value was written at, and how long it is.
  local function value_of(key)
    local found = call('HGET', retained, key)
    if not found then return nil end
    local space = found:find(' ', 1, true)
    return found:sub(1, space - 1), #found - space
  end

  -- By their numbers the events of a batch that will be appended, and are no repeats.
  local function new_events(first_event, last_argument)
    local seen, found = {}, {}
    for i = first_event + 2, last_argument, 4 do
      local key = argv[i]
      if key == '' or not (seen[key] or call('HGET', ids_by_key, key)) then found[(i - first_event + 2) / 4] = true end
      seen[key] = true
    end
    return found
  end

  function refusal(first_precondition, first_value, first_event, last_argument)
    if first_precondition == first_event then return nil end
    local is_new = new_events(first_event, last_argument)
    if not next(is_new) then return nil end
    for i = first_precondition, first_value - 1, 2 do
      local id = value_of(argv[i]) or ''
      if id ~= argv[i + 1] then return {'conflict', argv[i], id} end
    end
    local latest, count, size = {}, call('HLEN', retained), retained_bytes
    for i = first_value, first_event - 1, 4 do
      if argv[i + 3] == '0' or is_new[tonumber(argv[i + 3])] then latest[argv[i]] = i end
    end
    for key, i in pairs(latest) do
      local id, length = value_of(key)
      if id then count, size = count - 1, size - #key - length end
      if argv[i + 1] == '1' then count, size = count + 1, size + #key + #argv[i + 2] end
    end
    if next(latest) and (count > max_values or size > max_retained_bytes) then return {'full'} end
  end

  -- Writes the values of a batch; `ids` as it is responded to with.
  function retain(first_value, first_event, ids)
    for i = first_value, first_event - 1, 4 do
      local key, value, id = argv[i], argv[i + 2], last
      if argv[i + 3] ~= '0' then id = ids[tonumber(argv[i + 3])] end
      if id and id:sub(1, 1) ~= '=' then
        local before, length = value_of(key)
        if before then retained_bytes = retained_bytes - #key - length end
        if argv[i + 1] == '1' then
          value_count = value_count + call('HSET', retained, key, id .. ' ' .. value)
          retained_bytes = retained_bytes + #key + #value
        elseif before then
          value_count = value_count - call('HDEL', retained, key)
        end
      end
    end
    set('retained_bytes', retained_bytes)
  end
end

-- By how many entries the index of each topic has grown.
local topic_keys, growth = argv[10], {}

local function for_each_topic(topics, action)
  if not topics:find('\n', 1, true) then return action(topics) end
  for topic in topics:gmatch('[^\n]+') do action(topic) end
end

local function add_to_index(topic)
  call('XADD', topic_keys .. topic, last, '', '')
  growth[topic] = (growth[topic] or 0) + 1
end

-- Appends the event whose four fields begin at this argument. Returns its id; or nil and an error, before which
-- nothing of it was written.
local function add(at, is_again)
  local topics, data, key, more = argv[at], argv[at + 1], argv[at + 2], argv[at + 3]
  if key ~= '' then
    local found = call('HGET', ids_by_key, key)
    if found then return '=' .. found:match('^[^!]+') end
  end
  if now > last_ms or last_sequence >= MAX_SEQUENCE then
    last_ms, last_sequence = max(now, last_ms + 1), first_sequence
    ms_prefix = format('%.0f-', last_ms)
  else
    last_sequence = max(last_sequence, first_sequence - 1) + 1
  end
  local id, reply = ms_prefix .. last_sequence, nil
  if now < last_ms then
    reply = redis.pcall('XADD', log, id, topics, data, key, more, now, '')
  elseif key == '' and more == '' then
    reply = redis.pcall('XADD', log, id, topics, data)
  else
    reply = redis.pcall('XADD', log, id, topics, data, key, more)
  end
  if type(reply) == 'table' then
    if is_again or not reply.err:find('equal or smaller', 1, true) then return nil, reply end
    -- Somebody else has written to the log.
    last_ms, last_sequence = parts(last_generated_id(log))
    ms_prefix = format('%.0f-', last_ms)
    return add(at, true)
  end
  last = id
  if oldest == '' then oldest = id end
  for_each_topic(topics, add_to_index)
  if key ~= '' then
    call('HSET', ids_by_key, key, was_used(key) and id .. '!' or id)
    key_count = key_count + 1
  end
  bytes = bytes + 256 + 2 * (#topics + #data + #key + #more)
  added = added + 1
  return id
end

local replies, at = {}, 11
for number = 1, tonumber(argv[11]) do
  local first_precondition = at + 4
  local first_value = first_precondition + 2 * argv[at + 1]
  local first_event = first_value + 4 * argv[at + 2]
  local count, last_before = tonumber(argv[at + 3]), last
  at = first_event + 4 * count - 1
  local reply = has_values and refusal(first_precondition, first_value, first_event, at)
  if not reply then
    local failure = nil
    if count == 1 then
      reply, failure = add(first_event)
    else
      reply = {}
      for i = 1, count do
        reply[i], failure = add(first_event + 4 * (i - 1))
        if failure then break end
      end
    end
    if failure then return failure end
    if has_values and first_value < first_event and last ~= last_before then
      retain(first_value, first_event, count == 1 and {reply} or reply)
    end
  end
  replies[number] = reply
end

-- How many of the oldest to look at: a little too many where they are dropped by bytes or age.
local max_events, max_bytes, max_age = tonumber(argv[5]), tonumber(argv[6]), tonumber(argv[7])
local length, oldest_ms = call('XLEN', log), max_age == 0 and 0 or now - max_age
local excess = max(0, length - max_events)
if bytes > max_bytes then excess = max(excess, math.ceil((bytes - max_bytes) * length / bytes)) end
if oldest_ms > 0 and oldest ~= '' then
  local is_over = tonumber(oldest:match('^%d+')) < oldest_ms
  if not is_over and (step_id or now < last_ms) then
    local entry = call('XRANGE', log, oldest, oldest)[1]
    is_over = entry and time_of(entry, step_id, step_time) < oldest_ms
  end
  if is_over then excess = MAX_DROPPED end
end

local is_trimmed = nil
if excess > 0 then
  is_trimmed = {}
  local function drop_from_index(topic)
    growth[topic] = (growth[topic] or 0) - 1
    is_trimmed[topic] = true
  end
  local some = 2 * (added - added_before)
  local average = max(1, bytes / length)
  local count = min(excess, MAX_DROPPED + some, max(8 + some, math.floor(MAX_DROPPED_BYTES / average)))
  -- One more: the first that is kept.
  local entries, dropped = call('XRANGE', log, '-', '+', 'COUNT', count + 1), 0
  for i = 1, min(count, #entries) do
    local fields = entries[i][2]
    if length - dropped <= max_events and bytes <= max_bytes and time_of(entries[i], step_id, step_time) >= oldest_ms then break end
    local topics, key = fields[1], fields[3] or ''
    if key ~= '' then
      call('HDEL', ids_by_key, key)
      key_count = key_count - 1
      if filter == '' or is_filtered() then
        for _, bit in ipairs(filter_bits(key)) do call('SETBIT', used_keys, bit, 1) end
        filter = '1'
      end
    end
    for_each_topic(topics, drop_from_index)
    bytes = max(0, bytes - 256 - 2 * (#topics + #fields[2] + #key + #(fields[4] or '')))
    dropped = i
  end
  if dropped > 0 then
    local floor, kept = entries[dropped], entries[dropped + 1]
    set('floor', floor[1])
    set('floor_time', format('%s %.0f', floor[1], time_of(floor, step_id, step_time)))
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
call('HSET', meta, 'bytes', bytes, 'added', added, 'last', last, 'time', now, unpack(changed))
return replies
