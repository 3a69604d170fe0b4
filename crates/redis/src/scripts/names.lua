-- The newest id of each topic, or the one that each retained value was written at.
-- KEYS: retained. ARGV: the beginning of the topics' keys ('': retained keys); the names.
-- Returns an id or false for each.
local call = redis.call
local ids = {}
for i = 2, #ARGV do
  local id = false
  if ARGV[1] ~= '' then
    local newest = call('XREVRANGE', ARGV[1] .. ARGV[i], '+', '-', 'COUNT', 1)[1]
    id = newest and newest[1] or false
  else
    local value = call('HGET', KEYS[1], ARGV[i])
    id = value and value:match('^%S+') or false
  end
  ids[i - 1] = id
end
return ids
