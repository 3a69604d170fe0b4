-- Reports that this node lives, and ends some subscriptions of one that does not: `beat` has the arguments and the
-- reply.
return beat(has_room() and remove_member or nil)
