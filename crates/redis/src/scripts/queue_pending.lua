-- The oldest changes that are to be published, for one node at a time.
-- KEYS: changes to be published, the node that publishes them. ARGV: the node; how many; for how many milliseconds.
local call = redis.call
local publisher = call('GET', KEYS[2])
if publisher and publisher ~= ARGV[1] then return {} end
local pending = call('LRANGE', KEYS[1], 0, ARGV[2] - 1)
if #pending > 0 then
  call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
elseif publisher then
  call('DEL', KEYS[2])
end
return pending
