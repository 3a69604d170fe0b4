-- Has this server go on with the epoch that it holds, after it was promoted or restarted: its ids differ from
-- those that another server may go on giving in the same epoch.
-- KEYS: log, meta, own, spent, retained, topics. ARGV: the epoch; the run id that the log names ('': none); the
-- server's own; where sequences begin.
-- Returns {1}, or {0} where the log has changed meanwhile.
local call = redis.call
local log, meta, own, spent, retained, topics = unpack(KEYS)
local state = call('HMGET', meta, 'epoch', 'server', 'birth', 'topics')
if state[1] ~= ARGV[1] or (state[2] or '') ~= ARGV[2] then return {0} end
local last = state[3]
if call('EXISTS', log) == 1 then
  local info = call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i + 1] end
  end
end
call('HSET', meta, 'server', ARGV[3], 'first', ARGV[4], 'term', last, 'last', last)
-- A log of before these were counted.
call('HSETNX', meta, 'values', call('HLEN', retained))
call('HSETNX', meta, 'owns', call('HLEN', own))
call('HSETNX', meta, 'whole', state[4] and '' or last)
call('HSETNX', meta, 'topics', call('HLEN', topics))
call('HSETNX', meta, 'spent', call('EXISTS', spent) == 1 and '1' or '')
return {1}
