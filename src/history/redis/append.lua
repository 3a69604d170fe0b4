-- Appends batches, each whole or not at all, and drops what retention no longer keeps.
-- KEYS: log, meta, own, spent, retained.
-- ARGV: epoch; most events, bytes and milliseconds of age (0: any); most retained values and bytes;
-- the beginning of the topics' keys; how many batches. Per batch: how many expectations and, each, key and
-- id ('': not there); how many values and, each, key, '1' or '0' (removed), value; how many events and,
-- each, topics, data, own id, further fields.
-- Answers {'epoch', the current one}, or per batch its id or ids ('=' before one that was there already),
-- {'conflict', key, id} or {'full'}.
--
-- An entry is topics, data and, where there are any, own id, further fields: two pairs of name and value.
local call = redis.call
local log, meta, own, spent, retained = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local MAX_DROPPED, MAX_DROPPED_BYTES = 512, 8 * 1024 * 1024

local at = 0
local function text() at = at + 1 return ARGV[at] end
local function number() return tonumber(text()) end

local epoch = text()
local state = call('HMGET', meta, 'epoch', 'floor', 'bytes', 'added', 'retained_bytes', 'oldest')
if state[1] ~= epoch then return {'epoch', state[1] or ''} end
local floor, bytes, added = state[2], tonumber(state[3]), tonumber(state[4])
local retained_bytes, oldest_id = tonumber(state[5]), state[6]
local max_events, max_bytes, max_age = number(), number(), number()
local max_values, max_retained_bytes = number(), number()
local topic_keys = text()

local function cost(topics, data, own_id, more)
  return 256 + 2 * (#topics + #data + #own_id + #more)
end

-- Where an own id is marked as used in a Bloom filter of 2 MiB: it errs on the side of "used".
local function marks(own_id)
  local hash = redis.sha1hex(own_id)
  local bits = {}
  for i = 0, 3 do bits[i + 1] = tonumber(hash:sub(6 * i + 1, 6 * i + 6), 16) end
  return bits
end

local function is_spent(own_id)
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

local function value_of(key)
  local found = call('HGET', retained, key)
  if not found then return nil end
  local id, value = found:match('^(%S+) (.*)$')
  return id, value
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
    if id then values, size = values - 1, size - #key - #old end
    if value[2] == '1' then values, size = values + 1, size + #key + #value[3] end
  end
  if values > max_values or size > max_retained_bytes then return {'full'} end
end

local function retain(batch, id)
  for _, value in ipairs(batch.values) do
    local key = value[1]
    local before, old = value_of(key)
    if before then retained_bytes = retained_bytes - #key - #old end
    if value[2] == '1' then
      call('HSET', retained, key, id .. ' ' .. value[3])
      retained_bytes = retained_bytes + #key + #value[3]
    elseif before then
      call('HDEL', retained, key)
    end
  end
end

-- The event whose four fields begin at this argument.
local function place(at)
  local topics, data, own_id, more = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if own_id ~= '' then
    local first = call('HGET', own, own_id)
    if first then return '=' .. first:match('^[^!]+') end
  end
  local id = nil
  if own_id == '' and more == '' then
    id = call('XADD', log, '*', topics, data)
  else
    id = call('XADD', log, '*', topics, data, own_id, more)
  end
  if oldest_id == '' then oldest_id = id end
  if topics:find('\n', 1, true) then
    for topic in topics:gmatch('[^\n]+') do call('XADD', topic_keys .. topic, id, '', '') end
  else
    call('XADD', topic_keys .. topics, id, '', '')
  end
  if own_id ~= '' then call('HSET', own, own_id, is_spent(own_id) and id .. '!' or id) end
  bytes = bytes + cost(topics, data, own_id, more)
  added = added + 1
  return id
end

local function append(batch)
  local refused = batch.is_new and refusal(batch)
  if refused then return refused end
  local ids, last = {}, nil
  for i = 1, batch.count do
    local id = place(batch.first + 4 * (i - 1))
    ids[i] = id
    if id:byte() ~= 61 then last = id end
  end
  if last and #batch.values > 0 then retain(batch, last) end
  return batch.count == 1 and ids[1] or ids
end

-- Forgets what an entry left elsewhere; answers what it cost.
local function forget(entry, touched)
  local fields = entry[2]
  local topics, data, own_id, more = fields[1], fields[2], fields[3] or '', fields[4] or ''
  if own_id ~= '' then
    call('HDEL', own, own_id)
    for _, bit in ipairs(marks(own_id)) do call('SETBIT', spent, bit, 1) end
  end
  for topic in topics:gmatch('[^\n]+') do touched[topic_keys .. topic] = true end
  return cost(topics, data, own_id, more)
end

local function age_limit()
  if max_age == 0 then return 0 end
  local now = call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - max_age
end

-- How many of the oldest to look at: a little too many where they are dropped by bytes or age.
local function excess(length, oldest_ms)
  local count = math.max(0, length - max_events)
  if bytes > max_bytes then
    count = math.max(count, math.ceil((bytes - max_bytes) * length / bytes))
  end
  if oldest_id ~= '' and tonumber(oldest_id:match('^%d+')) < oldest_ms then count = MAX_DROPPED end
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
      or tonumber(entry[1]:match('^%d+')) < oldest_ms
    if not is_over then break end
    bytes = math.max(0, bytes - forget(entry, touched))
    floor, dropped = entry[1], dropped + 1
  end
  if dropped == 0 then return end
  local kept = oldest[dropped + 1]
  oldest_id = kept and kept[1] or ''
  for key in pairs(touched) do
    if not kept then
      call('DEL', key)
    elseif call('XTRIM', key, 'MINID', '=', kept[1]) > 0 and call('XLEN', key) == 0 then
      call('DEL', key)
    end
  end
  if kept then
    call('XTRIM', log, 'MINID', '=', kept[1])
  else
    call('XTRIM', log, 'MAXLEN', '=', 0)
  end
end

local answers, before = {}, added
for i = 1, number() do answers[i] = append(read_batch()) end
trim(added - before)
call('HSET', meta, 'floor', floor, 'bytes', string.format('%.0f', bytes),
  'oldest', oldest_id, 'added', string.format('%.0f', added), 'retained_bytes', string.format('%.0f', retained_bytes))
return answers
