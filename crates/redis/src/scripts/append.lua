-- Appends batches, each whole or not at all, and drops what retention no longer keeps.
-- KEYS, ARGV and what is returned: see log.lua.
-- ARGV, further: '1' where there are idempotency keys; '1' where there are preconditions or values to retain; most
-- retained values and bytes; how many batches. Per batch: how many preconditions, values and events; each
-- precondition: key and id ('': not there); each value: key, '1' or '0' (removed), value, the number of the event in
-- the batch that it belongs to ('0': it is written at the last one); each event: topics, data, idempotency key, further
-- fields.
-- Returns further {'keys'} where the index of idempotency keys is lost. Its replies are per batch its id or ids ('='
-- before one that was there already), {'conflict', key, id} or {'full'}.
local has_keys, has_values = argv[7] == '1', argv[8] == '1'
if has_keys and tonumber(owns) ~= call('HLEN', ids_by_key) then return {'keys'} end

-- Arguments are named by their numbers: where a batch's preconditions, values and events begin, and its last one.
local refusal, retain = nil, nil
if has_values then
  local retained_bytes = tonumber(call('HGET', meta, 'retained_bytes'))
  local max_values, max_retained_bytes = tonumber(argv[9]), tonumber(argv[10])

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
      reply, failure = add(argv[first_event], argv[first_event + 1], argv[first_event + 2], argv[first_event + 3])
    else
      reply = {}
      for i = 1, count do
        local event = first_event + 4 * (i - 1)
        reply[i], failure = add(argv[event], argv[event + 1], argv[event + 2], argv[event + 3])
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
