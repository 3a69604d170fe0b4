-- What the scripts that read entries share. They begin with common.lua, erased.lua, these lines and indexed.lua, and have
-- in common:
-- KEYS: log, meta, topics, erased. ARGV: epoch; most events; most bytes; the beginning of the topics' keys.
local log, meta, topic_counts = KEYS[1], KEYS[2], KEYS[3]
local max_events, max_bytes, topic_keys = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local entries, size = {}, 0
local function is_full() return #entries >= max_events or size >= max_bytes end
local function add(entry)
  entries[#entries + 1] = entry
  for _, field in ipairs(entry[2]) do size = size + #field end
end

-- By what meta has of erased events: whether that is whole, functions on it where there are any, and the id of the
-- event that tells of the last.
local function erased_by(text)
  if not text or text == '' then return true end
  local members, last = text:match('^(%d+) %d+ (%S+)$')
  return tonumber(members) == call('ZCARD', KEYS[4]), erased_in(KEYS[4]), last
end

-- Leaves out the entries at the end of the list that an order puts after an id.
local function cut(to, is_ordered)
  while #entries > 0 and is_ordered(to, entries[#entries][1]) do entries[#entries] = nil end
end
