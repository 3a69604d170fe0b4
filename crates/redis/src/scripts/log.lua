-- What the scripts that write to the log share. They begin with common.lua, erased.lua and these lines, and end with
-- trim.lua. They have in common:
-- KEYS: log, meta, own, spent, retained, topics, erased.
-- ARGV: epoch; the server's run id; most events, bytes and milliseconds of age (0: any); the beginning of the topics'
-- keys. What follows is each script's own.
-- They return {'epoch', the current one}, {'server'} where another server than the one that the log names was reached,
-- {'lost'} where retained values or what is left of erased events is gone; or else the state of the log (see trim.lua),
-- followed by their `replies`.
--
-- An entry is topics, data and, where there are any, idempotency key, further fields; and, where the clock is behind
-- the ids, the time and nothing: up to three pairs of name and value.
--
-- Every call creates its functions and tables anew, which takes as long as the commands do: what few calls need is
-- created by these alone.
local argv, format, max, min = ARGV, string.format, math.max, math.min
local log, meta, ids_by_key, used_keys, retained, topic_counts, erased_events = unpack(KEYS)
local topic_keys = argv[6]
-- Longer numbers are written with an exponent. Only somebody else's entry comes so far.
local MAX_SEQUENCE = 10 ^ 14 - 1

local epoch, server, bytes, added, oldest, first_sequence, last, values, topics, time, step, owns, spent, erased, floor =
  unpack(call('HMGET', meta, 'epoch', 'server', 'bytes', 'added', 'oldest', 'first', 'last', 'values', 'topics',
    'time', 'step', 'owns', 'spent', 'erased', 'floor'))
if epoch ~= argv[1] then return {'epoch', epoch or ''} end
if server ~= argv[2] then return {'server'} end
-- Keys that were deleted or evicted are found by what they should hold; where that is nothing, nothing is lost.
if values ~= '0' and tonumber(values) ~= call('HLEN', retained) then return {'lost'} end
local erased_members, erased_bytes, erased_at = 0, 0, nil
if erased and erased ~= '' then
  erased_members, erased_bytes, erased_at = erased:match('^(%d+) (%d+) (%S+)$')
  erased_members, erased_bytes = tonumber(erased_members), tonumber(erased_bytes)
  if erased_members ~= call('ZCARD', erased_events) then return {'lost'} end
end

bytes, added, first_sequence = tonumber(bytes), tonumber(added), tonumber(first_sequence)
local key_count, filter, topic_count = tonumber(owns), spent, call('HLEN', topic_counts)
local value_count, oldest_before, added_before, last_before = tonumber(values), oldest, added, last
local now, last_ms, last_sequence = now_ms(), parts(last)
local ms_prefix = format('%.0f-', last_ms)

-- Whether the log holds the entry that was appended last, and nothing behind it, which only somebody else would add.
local newest = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local was_newest = newest ~= nil and newest[1] == last

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
  if step_id and is_before(step_id, floor) then
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

-- By how many entries the index of each topic has grown.
local growth = {}
-- The topics whose indexes have lost entries, where there are any.
local is_trimmed = nil

local function for_each_topic(topics, action)
  if not topics:find('\n', 1, true) then return action(topics) end
  for topic in topics:gmatch('[^\n]+') do action(topic) end
end

local function add_to_index(topic)
  call('XADD', topic_keys .. topic, last, '', '')
  growth[topic] = (growth[topic] or 0) + 1
end

-- Appends an event. Returns its id; or nil and an error, before which nothing of it was written.
local function add(topics, data, key, more, is_again)
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
    return add(topics, data, key, more, true)
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

-- Takes the fields of an entry that leaves the log out of what is counted, and its idempotency key as used.
local function forget(fields)
  local topics, key = fields[1], fields[3] or ''
  if key ~= '' then
    call('HDEL', ids_by_key, key)
    key_count = key_count - 1
    if filter == '' or is_filtered() then
      for _, bit in ipairs(filter_bits(key)) do call('SETBIT', used_keys, bit, 1) end
      filter = '1'
    end
  end
  for_each_topic(topics, function(topic)
    growth[topic] = (growth[topic] or 0) - 1
    is_trimmed[topic] = true
  end)
  bytes = max(0, bytes - 256 - 2 * (#topics + #(fields[2] or '') + #key + #(fields[4] or '')))
end
