-- Reports that this node lives, and removes some members of one that does not: `beat` has the arguments and the reply.
local reply = beat(remove_member)
trim_pending()
return reply
