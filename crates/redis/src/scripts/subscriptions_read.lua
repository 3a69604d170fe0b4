-- Some subscriptions of a hub, in the order in which they began.
-- KEYS: the subscriptions by number. ARGV: the beginning of the other keys; a matcher, or '' for all; a subscriber, or
-- '' for all; how many; about how many bytes at most.
local call = redis.call
local prefix, matcher, subscriber = ARGV[1], ARGV[2], ARGV[3]
local limit, max_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local numbers = {}
if matcher == '' then
  numbers = call('ZRANGE', prefix .. 'order', 0, limit - 1)
elseif subscriber == '' then
  local found = call('ZRANGE', prefix .. 'of:' .. matcher, 0, limit - 1, 'WITHSCORES')
  for i = 2, #found, 2 do numbers[#numbers + 1] = found[i] end
else
  numbers[1] = call('ZSCORE', prefix .. 'of:' .. matcher, subscriber) or nil
end
local listed, bytes = {}, 0
for _, number in ipairs(numbers) do
  local one = call('HGET', KEYS[1], number)
  if one then
    listed[#listed + 1] = one
    bytes = bytes + #one
    if bytes >= max_bytes then break end
  end
end
return listed
