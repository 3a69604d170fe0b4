-- Retained values, all at one head. KEYS: log, meta, retained. ARGV: epoch; keys.
-- Returns {'epoch'} where the log is of another or values were lost, which begins another; or {head, values},
-- each false or the id it was written at, a space, and the value.
local log, meta, retained = unpack(KEYS)
local epoch, count = unpack(call('HMGET', meta, 'epoch', 'values'))
local head = last_generated_id(log)
if not head or epoch ~= ARGV[1] or tonumber(count) ~= call('HLEN', retained) then return {'epoch'} end
local values = {}
for i = 2, #ARGV do values[i - 1] = call('HGET', retained, ARGV[i]) end
return {head, values}
