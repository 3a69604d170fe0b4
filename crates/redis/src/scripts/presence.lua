-- What the scripts that change presence share, behind live.lua.
-- KEYS[2]: the connections of each topic.
-- Most changes that wait to be published. Beyond it the oldest are dropped.
local max_pending = 100000

local function push_change(kind, topic, user, data, users)
  push({kind, topic, user or '', data or '', users or 0})
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
      push_change('join', topic, user, known_data, call('ZCARD', order))
    end
  elseif known then
    call('HDEL', users, user)
    call('ZREM', order, user)
    push_change('leave', topic, user, known_data, call('ZCARD', order))
  end
end

-- Sets how many connections a node has for a user of a topic; '' are all without a user.
local function set(of_node, topic, user, connections, data)
  local members, field = members_of(of_node), topic .. '\0' .. user
  local old = tonumber(call('HGET', members, field) or 0)
  if old == connections then return end
  if connections == 0 then
    call('HDEL', members, field)
  else
    call('HSET', members, field, connections)
  end
  local total = call('HINCRBY', KEYS[2], topic, connections - old)
  if total > 0 and total == connections - old then push_change('first', topic) end
  if user ~= '' and (old == 0 or connections == 0) then
    count_node(topic, user, data, old == 0)
  end
  if total <= 0 then
    call('HDEL', KEYS[2], topic)
    push_change('last', topic)
  end
end

local function remove_member(of_node, field)
  local at = field:find('\0', 1, true)
  local topic = field:sub(1, at - 1)
  set(of_node, topic, field:sub(at + 1), 0, '')
  return topic
end

local function trim_pending()
  local excess = call('LLEN', KEYS[3]) - max_pending
  if excess > 0 then call('LTRIM', KEYS[3], excess, -1) end
end
