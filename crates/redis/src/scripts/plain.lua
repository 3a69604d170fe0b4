-- Appends events that have topics and data alone, of batches without preconditions and values. The same in a call of
-- append.lua takes longer by a third, for its arguments, its replies and what one event more or less may need.
-- KEYS, ARGV and what is returned: see log.lua.
-- ARGV, further: of each event topics and data.
-- Its replies are the ids; or the first one alone, where each of the others follows the one before.
local FIRST = 7
local id, failure = add(argv[FIRST], argv[FIRST + 1], '', '')
if failure then return failure end
local replies = {id}

if now == last_ms and last_sequence < MAX_SEQUENCE - #argv then
  local index_keys, count, size, sequence = {}, 0, 0, last_sequence
  for i = FIRST + 2, #argv, 2 do
    local topics, data = argv[i], argv[i + 1]
    sequence = sequence + 1
    last = ms_prefix .. sequence
    call('XADD', log, last, topics, data)
    local index = index_keys[topics]
    if index == nil then
      index = not topics:find('\n', 1, true) and topic_keys .. topics
      index_keys[topics] = index
    end
    if index then
      call('XADD', index, last, '', '')
      growth[topics] = (growth[topics] or 0) + 1
    else
      for_each_topic(topics, add_to_index)
    end
    count, size = count + 1, size + #topics + #data
  end
  last_sequence, added, bytes = sequence, added + count, bytes + 256 * count + 2 * size
else
  for i = FIRST + 2, #argv, 2 do
    replies[#replies + 1], failure = add(argv[i], argv[i + 1], '', '')
    if failure then return failure end
  end
end
