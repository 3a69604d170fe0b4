-- Whether the indexes of the topics from this argument on hold all that the log holds of them after an id, by how
-- many topics there should be, and by the id up to which an index may have lost entries ('': none has).
local function is_indexed(first_topic, topic_count, incomplete_to, after)
  if tonumber(topic_count) ~= call('HLEN', topic_counts) then return false end
  if incomplete_to and incomplete_to ~= '' and is_before(after, incomplete_to) then return false end
  for i = first_topic, #ARGV do
    local count = call('HGET', topic_counts, ARGV[i]) or '0'
    if tonumber(count) ~= call('XLEN', topic_keys .. ARGV[i]) then return false end
  end
  return true
end
