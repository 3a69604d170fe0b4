-- Restores the index of idempotency keys from the log, a bounded part at each call, where it was lost.
-- KEYS: log, meta, own. ARGV: epoch; most events, and bytes, of one part.
-- Returns {'1'} when it is whole.
local call = redis.call
local log, meta, own = KEYS[1], KEYS[2], KEYS[3]
local max_events, max_bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local state = call('HMGET', meta, 'epoch', 'owns', 'own_at')
if state[1] ~= ARGV[1] then return {'1'} end
if not state[3] and tonumber(state[2]) == call('HLEN', own) then return {'1'} end
local from, events, bytes = state[3] and '(' .. state[3] or '-', 0, 0
while events < max_events and bytes < max_bytes do
  local some = call('XRANGE', log, from, '+', 'COUNT', 16)
  for _, entry in ipairs(some) do
    local own_id = entry[2][3] or ''
    -- Whether it was used before is not known any more, so it names no place to resume from.
    if own_id ~= '' then call('HSETNX', own, own_id, entry[1] .. '!') end
    for _, field in ipairs(entry[2]) do bytes = bytes + #field end
  end
  if #some < 16 then
    call('HDEL', meta, 'own_at')
    call('HSET', meta, 'owns', call('HLEN', own))
    return {'1'}
  end
  events = events + #some
  from = '(' .. some[#some][1]
end
call('HSET', meta, 'own_at', from:sub(2))
return {'0'}
