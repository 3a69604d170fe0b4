-- Removes the oldest changes, which were published, unless another node has done so.
-- KEYS: changes to be published. ARGV: the key of the oldest one; how many.
local call = redis.call
local oldest = call('LINDEX', KEYS[1], 0)
if not oldest then return 1 end
local change = cjson.decode(oldest)
if change[#change] == ARGV[1] then call('LTRIM', KEYS[1], ARGV[2], -1) end
return 1
