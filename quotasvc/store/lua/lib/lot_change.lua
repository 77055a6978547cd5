-- lot_change: what a ledger entry says of lots that changed their state by themselves.
local lot_change = {}

-- Each lot with how much of it became what `state_of` says.
function lot_change.entry(lots, state_of)
  local flat = {}
  for _, one in ipairs(lots) do
    for _, word in ipairs({"lot", one.member, state_of(one), one.nanos}) do flat[#flat + 1] = word end
  end
  return flat
end

return lot_change
