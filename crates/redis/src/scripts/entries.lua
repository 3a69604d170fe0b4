-- What the scripts that read entries share. They begin with common.lua, these lines, and have in common:
-- KEYS: log, meta, topics. ARGV: epoch; most events; most bytes; the beginning of the topics' keys.
local log, meta, topic_counts = KEYS[1], KEYS[2], KEYS[3]
local max_events, max_bytes, topic_keys = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local entries, size = {}, 0
local function is_full() return #entries >= max_events or size >= max_bytes end
local function add(entry)
  entries[#entries + 1] = entry
  for _, field in ipairs(entry[2]) do size = size + #field end
end

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
