-- Has this server go on with the epoch that it holds, after it was promoted or restarted: its ids differ from
-- those that another server may go on giving in the same epoch.
-- KEYS: log, meta, own, spent, retained, topics, erased. ARGV: the epoch; the run id that the log names ('': none); the
-- server's own; where sequences begin.
-- Returns {1}, or {0} where the log has changed meanwhile.
local log, meta, ids_by_key, used_keys, retained, topic_counts = unpack(KEYS)
local epoch, server, birth, topics = unpack(call('HMGET', meta, 'epoch', 'server', 'birth', 'topics'))
if epoch ~= ARGV[1] or (server or '') ~= ARGV[2] then return {0} end
local last = last_generated_id(log) or birth
call('HSET', meta, 'server', ARGV[3], 'first', ARGV[4], 'term', last, 'last', last)
-- A log of before these were counted.
call('HSETNX', meta, 'values', call('HLEN', retained))
call('HSETNX', meta, 'owns', call('HLEN', ids_by_key))
call('HSETNX', meta, 'whole', topics and '' or last)
call('HSETNX', meta, 'topics', call('HLEN', topic_counts))
call('HSETNX', meta, 'spent', call('EXISTS', used_keys) == 1 and '1' or '')
return {1}
