-- lot_change: what a ledger entry says of lots that changed their state by themselves.
local flat = require("lib.flat")

local lot_change = {}

-- Each lot with how much of it became what `state_of` says.
function lot_change.entry(lots, state_of)
  local words = {}
  for _, one in ipairs(lots) do flat.add(words, "lot", one.member, state_of(one), one.nanos) end
  return words
end

return lot_change
