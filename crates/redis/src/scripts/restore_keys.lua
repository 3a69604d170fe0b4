-- Restores the index of idempotency keys from the log, a bounded part at each call, where it was lost.
-- KEYS: log, meta, own. ARGV: epoch; most events, and bytes, of one part.
-- Returns {'1'} when it is whole.
local call = redis.call
local log, meta, ids_by_key = unpack(KEYS)
local max_events, max_bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local epoch, key_count, reached = unpack(call('HMGET', meta, 'epoch', 'owns', 'own_at'))
if epoch ~= ARGV[1] then return {'1'} end
if not reached and tonumber(key_count) == call('HLEN', ids_by_key) then return {'1'} end
local from, events, bytes = reached and '(' .. reached or '-', 0, 0
while events < max_events and bytes < max_bytes do
  local some = call('XRANGE', log, from, '+', 'COUNT', 16)
  for _, entry in ipairs(some) do
    local key = entry[2][3] or ''
    -- Whether it was used before is not known any more, so it names no position to resume from.
    if key ~= '' then call('HSETNX', ids_by_key, key, entry[1] .. '!') end
    for _, field in ipairs(entry[2]) do bytes = bytes + #field end
  end
  if #some < 16 then
    call('HDEL', meta, 'own_at')
    call('HSET', meta, 'owns', call('HLEN', ids_by_key))
    return {'1'}
  end
  events = events + #some
  from = '(' .. some[#some][1]
end
call('HSET', meta, 'own_at', from:sub(2))
return {'0'}
