-- What is known of the log beside its entries. KEYS: log, meta, retained, erased. ARGV: the position of the tail; most
-- bytes; names of fields of meta.
-- Returns {their values, how many events it holds, '1' where retained values or what is left of erased events is lost,
-- members of erased events from the position on, the id of the last of these where there may be more or ''}.
local call = redis.call
local position, max_bytes = ARGV[1], tonumber(ARGV[2])
local values, erased = unpack(call('HMGET', KEYS[2], 'values', 'erased'))
local is_lost = tonumber(values or '') ~= call('HLEN', KEYS[3])
local members, complete_to = {}, nil
if erased and erased ~= '' then
  local count, last = erased:match('^(%d+) %d+ (%S+)$')
  local set = erased_in(KEYS[4])
  is_lost = is_lost or tonumber(count) ~= call('ZCARD', KEYS[4])
  -- Nothing that the tail has passed was erased since, unless the event that tells of it comes behind.
  if set.padded(position) < set.padded(last) then members, complete_to = set.from(position, max_bytes) end
end
return {call('HMGET', KEYS[2], unpack(ARGV, 3)), call('XLEN', KEYS[1]), is_lost and 1 or 0, members, complete_to or ''}
