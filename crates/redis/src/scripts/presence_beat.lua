-- Reports that this node lives, and removes some members of one that does not.
-- KEYS: also when a node reported last. ARGV: also the heartbeat in milliseconds; how many members this node has
-- written, or ''.
-- Returns whether the node was known with its members, whether there are more to be removed, and the topics that lost
-- members.
local heartbeat, written = tonumber(ARGV[4]), ARGV[5]
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
local is_whole = known and (written == '' or call('HLEN', prefix .. 'members:' .. node) == tonumber(written))

local topics, is_named, more = {}, {}, false
local dead = call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - dead_after), 'LIMIT', 0, 1)[1]
if dead then
  local members, cursor, fields = prefix .. 'members:' .. dead, '0', {}
  repeat
    local page = call('HSCAN', members, cursor, 'COUNT', max_swept)
    cursor = page[1]
    for i = 1, #page[2], 2 do fields[#fields + 1] = page[2][i] end
  until cursor == '0' or #fields >= max_swept
  for _, field in ipairs(fields) do
    local at = field:find('\0', 1, true)
    local topic, user = field:sub(1, at - 1), field:sub(at + 1)
    set(dead, topic, user, 0, '')
    if not is_named[topic] then
      is_named[topic] = true
      topics[#topics + 1] = topic
    end
  end
  if call('EXISTS', members) == 0 then call('ZREM', KEYS[1], dead) end
  more = true
  trim_pending()
end
return {is_whole and 1 or 0, more and 1 or 0, topics}
