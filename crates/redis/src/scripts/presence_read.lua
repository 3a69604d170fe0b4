-- How many users and connections a topic has, and some of its users with their data.
-- KEYS: connections of each topic. ARGV: the beginning of the other keys; the topic; how many users; after which one.
local call = redis.call
local users, order = ARGV[1] .. 'users:' .. ARGV[2], ARGV[1] .. 'order:' .. ARGV[2]
local reply = {call('ZCARD', order), tonumber(call('HGET', KEYS[1], ARGV[2]) or 0)}
if tonumber(ARGV[3]) == 0 then return reply end
local after = ARGV[4] == '' and '-' or '(' .. ARGV[4]
for _, user in ipairs(call('ZRANGEBYLEX', order, after, '+', 'LIMIT', 0, ARGV[3])) do
  local known = call('HGET', users, user) or '0:'
  reply[#reply + 1] = user
  reply[#reply + 1] = known:match('^%d+:(.*)$')
end
return reply
