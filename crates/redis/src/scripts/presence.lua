-- What the scripts that change presence share.
-- KEYS: nodes, connections of each topic, changes to be published. ARGV: the beginning of the other keys; a random
-- text for this call; the node.
local prefix, random, node = ARGV[1], ARGV[2], ARGV[3]
-- Most changes that wait to be published. Beyond it the oldest are dropped.
local max_pending = 100000
local pushed = 0

local function push(kind, topic, user, data, users)
  pushed = pushed + 1
  local key = 'p' .. random .. '-' .. pushed
  call('RPUSH', KEYS[3], cjson.encode({kind, topic, user or '', data or '', users or 0, key}))
end

-- Counts a node more or less for a user, and pushes a join or a leave if it was the first or the last.
local function count_node(topic, user, data, is_new)
  local users, order = prefix .. 'users:' .. topic, prefix .. 'order:' .. topic
  local nodes, known_data = 0, data
  local known = call('HGET', users, user)
  if known then
    local digits, text = known:match('^(%d+):(.*)$')
    nodes, known_data = tonumber(digits), text
  end
  nodes = nodes + (is_new and 1 or -1)
  if nodes > 0 then
    call('HSET', users, user, nodes .. ':' .. known_data)
    if not known then
      call('ZADD', order, 0, user)
      push('join', topic, user, known_data, call('ZCARD', order))
    end
  elseif known then
    call('HDEL', users, user)
    call('ZREM', order, user)
    push('leave', topic, user, known_data, call('ZCARD', order))
  end
end

-- Sets how many connections a node has for a user of a topic; '' are all without a user.
local function set(of_node, topic, user, connections, data)
  local members, field = prefix .. 'members:' .. of_node, topic .. '\0' .. user
  local old = tonumber(call('HGET', members, field) or 0)
  if old == connections then return end
  if connections == 0 then
    call('HDEL', members, field)
  else
    call('HSET', members, field, connections)
  end
  local total = call('HINCRBY', KEYS[2], topic, connections - old)
  if total > 0 and total == connections - old then push('first', topic) end
  if user ~= '' and (old == 0 or connections == 0) then
    count_node(topic, user, data, old == 0)
  end
  if total <= 0 then
    call('HDEL', KEYS[2], topic)
    push('last', topic)
  end
end

local function trim_pending()
  local excess = call('LLEN', KEYS[3]) - max_pending
  if excess > 0 then call('LTRIM', KEYS[3], excess, -1) end
end
