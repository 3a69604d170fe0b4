-- Retained values, all at one head. KEYS: log, meta, retained. ARGV: epoch; keys.
-- Returns {'epoch'} where the log is of another or values were lost, which begins another; or {head, values},
-- each false or the id it was written at, a space, and the value.
local call = redis.call
local state = call('HMGET', KEYS[2], 'epoch', 'birth', 'values')
if state[1] ~= ARGV[1] or tonumber(state[3] or '') ~= call('HLEN', KEYS[3]) then return {'epoch'} end
local head = state[2]
local info = call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then head = info[i + 1] end
end
local values = {}
for i = 2, #ARGV do values[i - 1] = call('HGET', KEYS[3], ARGV[i]) end
return {head, values}
