-- The newest entries at or before an id, newest first, of all topics or of some.
-- KEYS: see entries.lua. ARGV: see there, and behind these the id, or '(' and the id to be before it; '1' where erased
-- events are to be among them, for which the id is to be '+' or '(' and the id; the topics, none for all.
-- An index that was lost is not used: then entries of all topics are returned.
-- Returns {'epoch'}, also where what is left of erased events is lost, which begins another; or {whether these are
-- all, entries, members of erased events}.
local last, with_erased, FIRST_TOPIC = ARGV[5], ARGV[6] == '1', 7
local epoch, floor, topic_count, incomplete_to, has_erased =
  unpack(call('HMGET', meta, 'epoch', 'floor', 'topics', 'whole', 'erased'))
if epoch ~= ARGV[1] then return {'epoch'} end
local is_whole, erased = erased_by(has_erased)
if not is_whole then return {'epoch'} end

local function is_after(a, b) return is_before(b, a) end

-- Both return whether these are all.
local function read_all()
  local step = math.min(max_events, 16)
  while not is_full() do
    local some = call('XREVRANGE', log, last, '-', 'COUNT', step)
    for _, entry in ipairs(some) do add(entry) end
    if #some < step then return true end
    last = '(' .. some[#some][1]
  end
  return false
end

-- What is left of the erased events among the entries, and whether that and the entries are all.
local function read_erased(before, is_all)
  local oldest = is_all and floor or entries[#entries][1]
  local members, complete_to = erased.before(before, oldest, max_bytes)
  if complete_to then cut(complete_to, is_after) end
  return members, is_all and not complete_to
end

local function read_topics()
  local ids, seen, is_all = {}, {}, true
  for i = FIRST_TOPIC, #ARGV do
    local some = call('XREVRANGE', topic_keys .. ARGV[i], last, '-', 'COUNT', max_events)
    if #some == max_events then is_all = false end
    for _, entry in ipairs(some) do
      if not seen[entry[1]] then seen[entry[1]] = true ids[#ids + 1] = entry[1] end
    end
  end
  table.sort(ids, is_after)
  for _, id in ipairs(ids) do
    if is_full() then return false end
    local entry = call('XRANGE', log, id, id)[1]
    if entry then add(entry) end
  end
  return is_all
end

local before, is_all, members = last:match('%((.*)'), nil, {}
if #ARGV >= FIRST_TOPIC and is_indexed(FIRST_TOPIC, topic_count, incomplete_to, floor) then
  is_all = read_topics()
else
  is_all = read_all()
end
if with_erased and erased then members, is_all = read_erased(before, is_all) end
return {is_all and 1 or 0, entries, members}
