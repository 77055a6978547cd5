-- lot_facts: what Lua reads of a lot's facts, which Python writes as JSON.
local whole = require("lib.whole")

local lot_facts = {}

-- A lot's member in the order and in the list of all: "<purchased_at, 13 digits>:<lot id>".
function lot_facts.member(id, info)
  local purchase_ms = info and string.match(info, '"purchase_ms":(%d+)')
  return string.format("%013.0f:%s", whole.of(purchase_ms, nil, KEY.pool_info, id), id)
end

return lot_facts
