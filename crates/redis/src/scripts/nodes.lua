-- Reports the figures of one node, and forgets the nodes that have not reported for long.
-- KEYS: the nodes by when they reported last, their figures. ARGV: the node; its figures; after how many milliseconds a
-- node is forgotten; how many are returned.
-- Returns the figures of the nodes that reported last.
local max_forgotten = 100
local keep = tonumber(ARGV[3])
local now = now_ms()
call('ZADD', KEYS[1], now, ARGV[1])
call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, node in ipairs(call('ZRANGEBYSCORE', KEYS[1], '-inf', now - keep, 'LIMIT', 0, max_forgotten)) do
  call('ZREM', KEYS[1], node)
  call('HDEL', KEYS[2], node)
end
for i = 1, 2 do call('PEXPIRE', KEYS[i], keep) end
return call('HMGET', KEYS[2], unpack(call('ZREVRANGE', KEYS[1], 0, ARGV[4] - 1)))
