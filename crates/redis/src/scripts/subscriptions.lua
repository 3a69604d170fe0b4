-- What the scripts that change the subscriptions of a hub share, behind live.lua.
-- KEYS[2]: the subscriptions, each a list of matcher, subscriber and payload, by number. Other keys: `number`, the last
-- one; `order`, the numbers in their order; `of:` and a matcher, the number of each of its subscribers. The members of
-- a node are the numbers of its subscriptions, by the names that it has for them.
-- Most changes that wait to be published.
local max_pending = 10000
local order = prefix .. 'order'

local function has_room() return call('LLEN', KEYS[3]) < max_pending end

local function begin(name, matcher, subscriber, payload)
  local members = members_of(node)
  if call('HEXISTS', members, name) == 1 then return end
  local number = string.format('%.0f', call('INCR', prefix .. 'number'))
  local of_matcher = prefix .. 'of:' .. matcher
  local known = call('ZSCORE', of_matcher, subscriber)
  if known then
    -- Listed and announced already: a node that was taken for dead writes what it has under another name.
    call('HDEL', KEYS[2], known)
    call('ZREM', order, known)
  else
    push({'begin', matcher, subscriber, payload})
  end
  call('HSET', KEYS[2], number, cjson.encode({matcher, subscriber, payload}))
  call('ZADD', order, number, number)
  call('ZADD', of_matcher, number, subscriber)
  call('HSET', members, name, number)
end

local function remove_member(of_node, name)
  local members = members_of(of_node)
  local number = call('HGET', members, name)
  if not number then return end
  call('HDEL', members, name)
  local listed = call('HGET', KEYS[2], number)
  -- Written again under another number.
  if not listed then return end
  call('HDEL', KEYS[2], number)
  call('ZREM', order, number)
  local matcher, subscriber, payload = unpack(cjson.decode(listed))
  call('ZREM', prefix .. 'of:' .. matcher, subscriber)
  push({'end', matcher, subscriber, payload})
end
