-- What is left of erased events, for the scripts that need it where there are any. Of each event the set has '*', its
-- id, a space, 'p' (private) or '-', its time where its id does not tell it, a line end and its topics; and for each
-- topic 't', the topic, a line end and the id. Ids are padded, so that they are in order.
-- 'erased' in meta: how many members that are, what the events count in bytes, and the id of the event that tells of
-- the last of them, with spaces between; '' without any.
--
-- Returns functions on the set of this key.
local function erased_in(key)
  local MAX_MEMBERS, PAGE = 1024, 64
  -- Most that one command gets: `unpack` gives some thousand values at most.
  local MAX_VALUES = 1000
  local set = {}

  function set.padded(id)
    local ms, sequence = id:match('^(%d+)-(%d+)$')
    return ('0'):rep(20 - #ms) .. ms .. '-' .. ('0'):rep(20 - #sequence) .. sequence
  end

  local function unpadded(id)
    local ms, sequence = id:match('^0*(%d+)%-0*(%d+)$')
    return ms .. '-' .. sequence
  end

  -- The id of an event's member.
  local function id_of(member) return unpadded(member:match('^%*(%S+) ')) end

  -- Behind the members of this id, and before those of later ones.
  local function behind(prefix, id) return '(' .. prefix .. set.padded(id) .. '!' end

  -- Before the members of this id.
  local function at(prefix, id) return '(' .. prefix .. set.padded(id) end

  function set.has(id) return redis.call('ZLEXCOUNT', key, at('*', id), behind('*', id)) > 0 end

  -- The newest id before this one, or nil.
  function set.newest_before(id)
    local member = redis.call('ZREVRANGEBYLEX', key, at('*', id), '-', 'LIMIT', 0, 1)[1]
    return member and id_of(member)
  end

  -- The members of events between two bounds, in this order, a bounded number, and the id of the last where there may
  -- be more.
  local function events(command, from, to, max_bytes)
    local members, size = {}, 0
    repeat
      local some = redis.call(command, key, from, to, 'LIMIT', 0, PAGE)
      for _, member in ipairs(some) do
        members[#members + 1] = member
        size = size + #member
      end
      if #some < PAGE then return members, nil end
      from = '(' .. some[PAGE]
    until #members >= MAX_MEMBERS or size >= max_bytes
    return members, id_of(members[#members])
  end

  -- Those of this id and later ones. No member of an event comes behind '+'.
  function set.from(id, max_bytes) return events('ZRANGEBYLEX', at('*', id), '(+', max_bytes) end

  function set.between(after, to, max_bytes)
    return events('ZRANGEBYLEX', behind('*', after), behind('*', to), max_bytes)
  end

  -- The newest first; `before` may be nil, for the end.
  function set.before(before, after, max_bytes)
    return events('ZREVRANGEBYLEX', before and at('*', before) or '(+', behind('*', after), max_bytes)
  end

  -- As `between`, of these topics alone.
  function set.of_topics(topics, after, to, max_bytes)
    local ids, seen, complete_to = {}, {}, nil
    for _, topic in ipairs(topics) do
      local prefix = 't' .. topic .. '\n'
      local some = redis.call('ZRANGEBYLEX', key, behind(prefix, after), behind(prefix, to), 'LIMIT', 0, MAX_MEMBERS)
      for i, member in ipairs(some) do
        local id = member:sub(#prefix + 1)
        some[i] = id
        if not seen[id] then seen[id] = true ids[#ids + 1] = id end
      end
      local end_of = some[MAX_MEMBERS]
      if end_of and (not complete_to or end_of < complete_to) then complete_to = end_of end
    end
    table.sort(ids)
    local members, size = {}, 0
    for i, id in ipairs(ids) do
      if complete_to and id > complete_to then break end
      local member = redis.call('ZRANGEBYLEX', key, '[*' .. id .. ' ', '(*' .. id .. '!', 'LIMIT', 0, 1)[1]
      members[i] = member
      size = size + #member
      if size >= max_bytes then return members, unpadded(id) end
    end
    return members, complete_to and unpadded(complete_to)
  end

  -- Calls a command with these values, as many as one call takes at a time. Returns the sum of its replies.
  local function call_with(command, values)
    local sum = 0
    for from = 1, #values, MAX_VALUES do
      sum = sum + redis.call(command, key, unpack(values, from, math.min(from + MAX_VALUES - 1, #values)))
    end
    return sum
  end

  local function for_each_member(topics, id, action)
    for topic in topics:gmatch('[^\n]+') do action('t' .. topic .. '\n' .. id) end
  end

  local function cost(topics) return 64 + 2 * #topics end

  -- Adds what is left of these entries. Returns how many members that are, and what the events count.
  function set.add(entries)
    local values, bytes = {}, 0
    local function add(member)
      values[#values + 1] = 0
      values[#values + 1] = member
    end
    for _, entry in ipairs(entries) do
      local id, topics, more, time = set.padded(entry[1]), entry[2][1], entry[2][4] or '', entry[2][5] or ''
      local private = more:match('^[^\n]*\n[^\n]*\np') and 'p' or '-'
      add('*' .. id .. ' ' .. private .. (time:match('^%d+$') or '') .. '\n' .. topics)
      for_each_member(topics, id, add)
      bytes = bytes + cost(topics)
    end
    return call_with('ZADD', values), bytes
  end

  -- Removes what is left of events before an id, of so many at most. Returns how many members and events that were,
  -- what these counted, and the last of them as an entry of its id and time.
  function set.drop_before(id, max_events)
    local members = redis.call('ZRANGEBYLEX', key, '-', at('*', id), 'LIMIT', 0, max_events)
    local values, bytes, last = {}, 0, nil
    local function drop(member) values[#values + 1] = member end
    for _, member in ipairs(members) do
      local of_event, time, topics = member:match('^%*(%S+) .(%d*)\n(.*)$')
      drop(member)
      for_each_member(topics, of_event, drop)
      bytes = bytes + cost(topics)
      last = {unpadded(of_event), {[5] = time ~= '' and time or nil}}
    end
    return call_with('ZREM', values), #members, bytes, last
  end

  return set
end
