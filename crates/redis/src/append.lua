-- Appends batches, each whole or not at all, and drops what retention no longer keeps.
-- KEYS: log, meta, own, spent, retained, topics.
-- ARGV: epoch; the server's run id; '1' where there are idempotency keys; most events, bytes and milliseconds of age
-- (0: any); most retained values and bytes; the beginning of the topics' keys; how many batches. Per batch: how
-- many preconditions and, each, key and id ('': not there); how many values and, each, key, '1' or '0' (removed),
-- value; how many events and, each, topics, data, idempotency key, further fields.
-- Returns {'epoch', the current one}, {'server'} where another server than the one that the log names was
-- reached, {'lost'} where retained values are gone, {'own'} where the index of idempotency keys is; or per batch its
-- id or ids ('=' before one that was there already), {'conflict', key, id} or {'full'}.
--
-- An entry is topics, data and, where there are any, idempotency key, further fields; and, where the clock is behind the
-- ids, the time and nothing: up to three pairs of name and value.
local call = redis.call
local log, meta, own, spent, retained, topic_counts = unpack(KEYS)
local MAX_DROPPED, MAX_DROPPED_BYTES = 512, 8 * 1024 * 1024

local at = 0
local function text() at = at + 1 return ARGV[at] end
local function number() return tonumber(text()) end

local epoch, server, has_own_ids = text(), text(), text() == '1'
local state = call('HMGET', meta, 'epoch', 'floor', 'bytes', 'added', 'retained_bytes', 'oldest', 'server',
  'first', 'last', 'values', 'owns', 'topics', 'whole', 'spent', 'time', 'step', 'floor_time')
if state[1] ~= epoch then return {'epoch', state[1] or ''} end
if state[7] ~= server then return {'server'} end
local floor, bytes, added = state[2], tonumber(state[3]), tonumber(state[4])
local retained_bytes, oldest_id = tonumber(state[5]), state[6]
local first_sequence, last_ms, last_sequence = tonumber(state[8]), nil, nil
local owns, whole, used = tonumber(state[11]), state[13], state[14]
-- Keys that were deleted or evicted are found by what they should hold.
if tonumber(state[10]) ~= call('HLEN', retained) then return {'lost'} end
if has_own_ids and owns ~= call('HLEN', own) then return {'own'} end
local topics = call('HLEN', topic_counts)
if tonumber(state[12]) ~= topics then whole = state[9] end

local function set_last(id)
  local ms, sequence = id:match('^(%d+)-(%d+)$')
  last_ms, last_sequence = tonumber(ms), tonumber(sequence)
end
set_last(state[9])

local max_events, max_bytes, max_age = number(), number(), number()
local max_values, max_retained_bytes = number(), number()
local topic_keys = text()

local function cost(topics, data, own_id, more)
  return 256 + 2 * (#topics + #data + #own_id + #more)
end

-- Where an idempotency key is marked as used in a Bloom filter of 2 MiB: it errs on the side of "used".
local function marks(own_id)
  local hash = redis.sha1hex(own_id)
  local bits = {}
  for i = 0, 3 do bits[i + 1] = tonumber(hash:sub(6 * i + 1, 6 * i + 6), 16) end
  return bits
end

-- Whether the filter can tell: where it was lost, any idempotency key may have been used.
local function is_filtered()
  if used == '1' and call('EXISTS', spent) == 0 then used = 'lost' end
  return used == '1'
end

local function is_spent(own_id)
  if not is_filtered() then return used == 'lost' end
  for _, bit in ipairs(marks(own_id)) do
    if call('GETBIT', spent, bit) == 0 then return false end
  end
  return true
end

local function read_batch()
  local batch = {expect = {}, values = {}, is_new = false}
  for i = 1, number() do batch.expect[i] = {text(), text()} end
  for i = 1, number() do batch.values[i] = {text(), text(), text()} end
  batch.count = number()
  batch.first = at + 1
  at = at + 4 * batch.count
  for i = batch.first, at, 4 do
    if batch.is_new then break end
    batch.is_new = ARGV[i + 2] == '' or not call('HGET', own, ARGV[i + 2])
  end
  return batch
end

-- The id it was written at, and how long it is; without a copy of it, which may be large.
local function value_of(key)
  local found = call('HGET', retained, key)
  if not found then return nil end
  local space = found:find(' ', 1, true)
  return found:sub(1, space - 1), #found - space
end

local function refusal(batch)
  for _, expected in ipairs(batch.expect) do
    local id = value_of(expected[1]) or ''
    if id ~= expected[2] then return {'conflict', expected[1], id} end
  end
  if #batch.values == 0 then return nil end
  local latest = {}
  for _, value in ipairs(batch.values) do latest[value[1]] = value end
  local values, size = call('HLEN', retained), retained_bytes
  for key, value in pairs(latest) do
    local id, old = value_of(key)
    if id then values, size = values - 1, size - #key - old end
    if value[2] == '1' then values, size = values + 1, size + #key + #value[3] end
  end
  if values > max_values or size > max_retained_bytes then return {'full'} end
end

local values = tonumber(state[10])

local function retain(batch, id)
  for _, value in ipairs(batch.values) do
    local key = value[1]
    local before, old = value_of(key)
    if before then retained_bytes = retained_bytes - #key - old end
    if value[2] == '1' then
      values = values + call('HSET', retained, key, id .. ' ' .. value[3])
      retained_bytes = retained_bytes + #key + #value[3]
    elseif before then
      values = values - call('HDEL', retained, key)
    end
  end
end

local function now_ms()
  local now = call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
end
local now = now_ms()

-- 'step': the clock went back; up to this entry none was taken later than at this time. An earlier step holds
-- until retention has passed it.
local step, floor_time = state[16] or '', state[17] or ''
local step_ms, step_sequence, step_time = nil, nil, nil
local function read_step()
  local ms, sequence, time = step:match('^(%d+)-(%d+) (%d+)$')
  step_ms, step_sequence, step_time = tonumber(ms), tonumber(sequence), tonumber(time)
end
read_step()

local function is_in_step(id)
  if not step_ms then return false end
  local ms, sequence = id:match('^(%d+)-(%d+)$')
  ms, sequence = tonumber(ms), tonumber(sequence)
  return ms < step_ms or (ms == step_ms and sequence <= step_sequence)
end

if step_ms and not is_in_step(floor) then step = '' read_step() end
if now < (tonumber(state[15] or '') or last_ms) and (not step_ms or now <= step_time) then
  step = string.format('%s %.0f', state[9], now)
  read_step()
end

local function time_of(entry)
  local time = tonumber(entry[2][5] or entry[1]:match('^%d+'))
  return is_in_step(entry[1]) and math.min(time, step_time) or time
end

-- Beyond it numbers are not exact here. Only somebody else's entry comes so far.
local MAX_SEQUENCE = 2 ^ 52

local function next_id()
  if now > last_ms or last_sequence >= MAX_SEQUENCE then
    last_ms, last_sequence = math.max(now, last_ms + 1), first_sequence
  else
    last_sequence = math.max(last_sequence, first_sequence - 1) + 1
  end
  return string.format('%.0f-%.0f', last_ms, last_sequence)
end

-- Returns the id, or nil and the error, before which nothing was written.
local function add(...)
  local id = redis.pcall('XADD', log, next_id(), ...)
  if type(id) ~= 'table' then return id end
  if not id.err:find('equal or smaller', 1, true) then return nil, id end
  -- Somebody else has written to the log.
  local info = call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then set_last(info[i + 1]) end
  end
  return call('XADD', log, next_id(), ...)
end

-- How many entries were added to each topic's index.
local indexed = {}

local function add_to_index(topic, id)
  call('XADD', topic_keys .. topic, id, '', '')
  indexed[topic] = (indexed[topic] or 0) + 1
end

local function count_indexed()
  for topic, count in pairs(indexed) do
    if call('HINCRBY', topic_counts, topic, count) == count then topics = topics + 1 end
  end
end

-- The event whose four fields begin at this argument.
local function place(at)
  local topics, data, own_id, more = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if own_id ~= '' then
    local first = call('HGET', own, own_id)
    if first then return '=' .. first:match('^[^!]+') end
  end
  local id, failure = nil, nil
  if now < last_ms then
    id, failure = add(topics, data, own_id, more, string.format('%.0f', now), '')
  elseif own_id == '' and more == '' then
    id, failure = add(topics, data)
  else
    id, failure = add(topics, data, own_id, more)
  end
  if failure then return nil, failure end
  if oldest_id == '' then oldest_id = id end
  if topics:find('\n', 1, true) then
    for topic in topics:gmatch('[^\n]+') do add_to_index(topic, id) end
  else
    add_to_index(topics, id)
  end
  if own_id ~= '' then
    call('HSET', own, own_id, is_spent(own_id) and id .. '!' or id)
    owns = owns + 1
  end
  bytes = bytes + cost(topics, data, own_id, more)
  added = added + 1
  return id
end

local function append(batch)
  local refused = batch.is_new and refusal(batch)
  if refused then return refused end
  local ids, last = {}, nil
  for i = 1, batch.count do
    local id, failure = place(batch.first + 4 * (i - 1))
    if failure then return nil, failure end
    ids[i] = id
    if id:byte() ~= 61 then last = id end
  end
  if last and #batch.values > 0 then retain(batch, last) end
  return batch.count == 1 and ids[1] or ids
end

-- Forgets what an entry left elsewhere; returns what it cost.
local function forget(entry, touched)
  local fields = entry[2]
  local topics, data, own_id, more = fields[1], fields[2], fields[3] or '', fields[4] or ''
  if own_id ~= '' then
    call('HDEL', own, own_id)
    owns = owns - 1
    if used == '' or is_filtered() then
      for _, bit in ipairs(marks(own_id)) do call('SETBIT', spent, bit, 1) end
      used = '1'
    end
  end
  for topic in topics:gmatch('[^\n]+') do touched[topic] = (touched[topic] or 0) + 1 end
  return cost(topics, data, own_id, more)
end

local function age_limit()
  if max_age == 0 then return 0 end
  return now - max_age
end

-- How many of the oldest to look at: a little too many where they are dropped by bytes or age.
local function excess(length, oldest_ms)
  local count = math.max(0, length - max_events)
  if bytes > max_bytes then
    count = math.max(count, math.ceil((bytes - max_bytes) * length / bytes))
  end
  if oldest_ms > 0 and oldest_id ~= '' then
    -- An id has the milliseconds of its entry, or later ones.
    local is_over = tonumber(oldest_id:match('^%d+')) < oldest_ms
    if not is_over and (step_ms or now < last_ms) then
      local oldest = call('XRANGE', log, oldest_id, oldest_id)[1]
      is_over = oldest and time_of(oldest) < oldest_ms
    end
    if is_over then count = MAX_DROPPED end
  end
  return count
end

local function trim(new_events)
  local length, oldest_ms = call('XLEN', log), age_limit()
  local count = math.min(excess(length, oldest_ms), MAX_DROPPED + 2 * new_events)
  if count == 0 then return end
  local average = math.max(1, bytes / length)
  count = math.min(count, math.max(8 + 2 * new_events, math.floor(MAX_DROPPED_BYTES / average)))
  -- One more: the first that is kept.
  local oldest = call('XRANGE', log, '-', '+', 'COUNT', count + 1)
  local touched, dropped = {}, 0
  for i = 1, math.min(count, #oldest) do
    local entry = oldest[i]
    local is_over = length - dropped > max_events or bytes > max_bytes
      or time_of(entry) < oldest_ms
    if not is_over then break end
    bytes = math.max(0, bytes - forget(entry, touched))
    floor_time = string.format('%s %.0f', entry[1], time_of(entry))
    floor, dropped = entry[1], dropped + 1
  end
  if dropped == 0 then return end
  local kept = oldest[dropped + 1]
  oldest_id = kept and kept[1] or ''
  for topic, count in pairs(touched) do
    local key = topic_keys .. topic
    -- By what was dropped, so that an index that was lost does not come to look whole.
    local is_rest = call('HINCRBY', topic_counts, topic, -count) > 0
    if kept then call('XTRIM', key, 'MINID', '=', kept[1]) else call('DEL', key) end
    if not is_rest then
      local length = call('XLEN', key)
      if length == 0 then
        topics = topics - call('HDEL', topic_counts, topic)
        call('DEL', key)
      else
        call('HSET', topic_counts, topic, length)
        whole = string.format('%.0f-%.0f', last_ms, last_sequence)
      end
    end
  end
  if kept then
    call('XTRIM', log, 'MINID', '=', kept[1])
  else
    call('XTRIM', log, 'MAXLEN', '=', 0)
  end
end

local answers, before = {}, added
for i = 1, number() do
  local answer, failure = append(read_batch())
  if failure then return failure end
  answers[i] = answer
end
count_indexed()
trim(added - before)

local changed = {'floor', floor, 'bytes', string.format('%.0f', bytes), 'added', string.format('%.0f', added),
  'oldest', oldest_id, 'last', string.format('%.0f-%.0f', last_ms, last_sequence),
  'time', string.format('%.0f', now)}
local function write(name, value, before)
  if value ~= before then
    changed[#changed + 1] = name
    changed[#changed + 1] = value
  end
end
write('retained_bytes', retained_bytes, tonumber(state[5]))
write('values', values, tonumber(state[10]))
write('owns', owns, tonumber(state[11]))
write('topics', topics, tonumber(state[12]))
write('whole', whole, state[13])
write('spent', used, state[14])
write('step', step, state[16])
write('floor_time', floor_time, state[17])
call('HSET', meta, unpack(changed))
return answers
