-- Removes the oldest changes, which were published, unless another node has done so.
-- KEYS: changes to be published. ARGV: the key of the oldest one; how many.
local call = redis.call
local oldest = call('LINDEX', KEYS[1], 0)
if oldest and cjson.decode(oldest)[6] == ARGV[1] then call('LTRIM', KEYS[1], ARGV[2], -1) end
return 1
