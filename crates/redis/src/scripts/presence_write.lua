-- Sets how many connections this node has, in fours from the fourth argument: topic, user, connections, data.
-- Returns whether the node is known.
if not call('ZSCORE', KEYS[1], node) then return 0 end
for i = 4, #ARGV, 4 do
  set(node, ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3])
end
trim_pending()
return 1
