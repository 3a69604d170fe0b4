-- What is known of the log beside its entries. KEYS: log, meta, retained. ARGV: names of fields of meta.
-- Returns {their values, how many events it holds, '1' where retained values were lost}.
local call = redis.call
local is_lost = tonumber(call('HGET', KEYS[2], 'values') or '') ~= call('HLEN', KEYS[3])
return {call('HMGET', KEYS[2], unpack(ARGV)), call('XLEN', KEYS[1]), is_lost and 1 or 0}
