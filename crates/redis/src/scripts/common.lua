-- What several scripts share: each of them begins with these lines.
local call = redis.call

-- The milliseconds and the sequence of an id.
local function parts(id)
  local ms, sequence = id:match('^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end

local function is_before(a, b)
  local a_ms, a_sequence = parts(a)
  local b_ms, b_sequence = parts(b)
  return a_ms < b_ms or (a_ms == b_ms and a_sequence < b_sequence)
end

-- When an entry was taken. An id has the milliseconds of its entry, or later ones; then the entry has a time of its
-- own. Where the clock went back, none up to `step_id` was taken later than at `step_time`.
local function time_of(entry, step_id, step_time)
  local ms = tonumber(entry[2][5] or entry[1]:match('^%d+'))
  if step_id and not is_before(step_id, entry[1]) then return math.min(ms, step_time) end
  return ms
end

local function now_ms()
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
end

-- The last id that was given in a stream, or nil where there is no stream.
local function last_generated_id(stream)
  if redis.call('EXISTS', stream) == 0 then return nil end
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end
