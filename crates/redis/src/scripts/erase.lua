-- Erases events of a topic, the oldest first and a bounded number, and appends the event that tells of it.
-- KEYS, ARGV and what is returned: see log.lua and trim.lua.
-- ARGV, further: the id up to which they are erased, or '+'; where to look from, '-' or '(' and an id; '1' where those
-- of other topics, too, stay; most events; of the event that tells of it the topic, and the data before and behind the
-- id of the last; the topic.
-- Returns further {'looked', id} where there is nothing to erase up to this id, and perhaps after it. Its replies are how
-- many are erased, '1' where there may be more, the id of the event that tells of it or ''; the state is '' where that is
-- ''.
local to, from, is_alone, max_erased = argv[7], argv[8], argv[9] == '1', tonumber(argv[10])
local event_topic, before_last, behind_last, erased_topic = argv[11], argv[12], argv[13], argv[14]
local MAX_LOOKED, MAX_LOOKED_BYTES, PAGE = 4096, 8 * 1024 * 1024, 16

local incomplete_to = call('HGET', meta, 'whole')
local has_index = is_indexed(#argv, topics, incomplete_to, floor)
local found, looked, size = {}, 0, 0

local function is_of_topic(names)
  if is_alone or names == erased_topic then return names == erased_topic end
  return ('\n' .. names .. '\n'):find('\n' .. erased_topic .. '\n', 1, true) ~= nil
end

local function look(entry)
  looked = looked + 1
  if not entry then return end
  for _, field in ipairs(entry[2]) do size = size + #field end
  if is_of_topic(entry[2][1]) then found[#found + 1] = entry end
end

-- Looks through the topic's index, or all of the log. Returns whether it has come to the end.
local function find()
  local stream = has_index and topic_keys .. erased_topic or log
  while true do
    local some = call('XRANGE', stream, from, to, 'COUNT', PAGE)
    for _, entry in ipairs(some) do
      if looked >= MAX_LOOKED or size >= MAX_LOOKED_BYTES or #found >= max_erased then return false end
      from = '(' .. entry[1]
      if has_index then entry = call('XRANGE', log, entry[1], entry[1])[1] end
      look(entry)
    end
    if #some < PAGE then return true end
  end
end

local is_end = find()
if #found == 0 then
  if is_end then return {'', 0, '0', ''} end
  return {'looked', from:sub(2)}
end

-- The first write: what Redis refuses, it refuses here.
local id, failure = add(event_topic, before_last .. found[#found][1] .. behind_last, '', '')
if failure then return failure end

is_trimmed = {}
local ids, ids_by_topic = {}, {}
for i, entry in ipairs(found) do
  ids[i] = entry[1]
  forget(entry[2])
  for_each_topic(entry[2][1], function(topic)
    local of_topic = ids_by_topic[topic] or {}
    of_topic[#of_topic + 1] = entry[1]
    ids_by_topic[topic] = of_topic
  end)
end
call('XDEL', log, unpack(ids))
for topic, of_topic in pairs(ids_by_topic) do call('XDEL', topic_keys .. topic, unpack(of_topic)) end
local members, count = erased_in(erased_events).add(found)
erased_members, erased_bytes, erased_at = erased_members + members, erased_bytes + count, id
oldest = call('XRANGE', log, '-', '+', 'COUNT', 1)[1][1]
local replies = {#found, is_end and '0' or '1', id}
