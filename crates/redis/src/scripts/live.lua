-- What the scripts share that change members: what a node writes, and what ends with it.
-- KEYS: the nodes by when they reported last; one of the including script; changes to be published; when a node
-- reported last. ARGV: the beginning of the other keys, of which `members:` and a node has the members of that node; a
-- random text for this call; the node.
local prefix, random, node = ARGV[1], ARGV[2], ARGV[3]
local pushed = 0
local keep_batch_ms = 24 * 3600 * 1000

local function members_of(of_node) return prefix .. 'members:' .. of_node end

-- The key of the number of the last batch that this node has written, if it numbers them.
local batch = prefix .. 'batch:' .. node
local function last_batch() return tonumber(call('GET', batch) or 0) end

-- Queues a change to be published: a list, to whose end a key is added that no other change has.
local function push(change)
  pushed = pushed + 1
  change[#change + 1] = 'p' .. random .. '-' .. pushed
  call('RPUSH', KEYS[3], cjson.encode(change))
end

-- Reports that this node lives, and removes some members of one that does not, unless `remove` is nil: a function of
-- the dead node and a field of its members, which may return a topic.
-- ARGV: also the heartbeat in milliseconds; how many members this node has written, or ''; the number of its last
-- batch, or 0.
-- Returns whether the node was known with its members, whether there are more to be removed, and the topics.
local function beat(remove)
  local heartbeat, written, written_batch = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
  local dead_after, max_swept = heartbeat * 2.5, 200
  local now = now_ms()
  local known = call('ZSCORE', KEYS[1], node)
  local last = tonumber(call('GET', KEYS[4]) or 0)
  -- If nobody reported for so long, Redis was away, or its clock jumped: each node gets its time anew.
  if math.abs(now - last) > heartbeat then
    for _, other in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do call('ZADD', KEYS[1], now, other) end
  end
  call('SET', KEYS[4], now)
  call('ZADD', KEYS[1], now, node)
  local is_whole = known and (written == '' or call('HLEN', members_of(node)) == tonumber(written))
  -- As many members may be in an older state as well, which Redis has restored.
  if written_batch > 0 then
    is_whole = is_whole and last_batch() >= written_batch
    call('PEXPIRE', batch, keep_batch_ms)
  end

  local topics, is_named, more = {}, {}, false
  local dead = call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - dead_after), 'LIMIT', 0, 1)[1]
  if dead and remove then
    local members, cursor, fields = members_of(dead), '0', {}
    repeat
      local page = call('HSCAN', members, cursor, 'COUNT', max_swept)
      cursor = page[1]
      for i = 1, #page[2], 2 do fields[#fields + 1] = page[2][i] end
    until cursor == '0' or #fields >= max_swept
    for _, field in ipairs(fields) do
      local topic = remove(dead, field)
      if topic and not is_named[topic] then
        is_named[topic] = true
        topics[#topics + 1] = topic
      end
    end
    if call('EXISTS', members) == 0 then call('ZREM', KEYS[1], dead) end
    more = true
  end
  return {is_whole and 1 or 0, more and 1 or 0, topics}
end
