-- Makes the changes of one batch, unless they were made already. ARGV: also the number of the batch, greater than that
-- of the one before; and fours: the node's name of a subscription, matcher, subscriber, payload. Where the matcher is
-- '', the subscription ends.
-- Returns 0 where the node is not known, 2 where too many changes wait to be published, and else 1.
if not call('ZSCORE', KEYS[1], node) then return 0 end
if tonumber(ARGV[4]) <= last_batch() then return 1 end
if not has_room() then return 2 end
for i = 5, #ARGV, 4 do
  if ARGV[i + 1] == '' then
    remove_member(node, ARGV[i])
  else
    begin(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  end
end
call('SET', batch, ARGV[4], 'PX', keep_batch_ms)
return 1
