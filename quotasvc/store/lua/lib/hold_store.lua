-- hold_store: ends a live hold: gives back all that it keeps in its windows and lots, or turns it
-- into a charge that stands until somebody settles it (SEM-30).
local window_store = require("lib.window_store")
local record_store = require("lib.record_store")
local leg_list = require("lib.leg_list")
local lot_move_store = require("lib.lot_move_store")

local hold_store = {}

-- Reads the windows and lots of a held record, and decides what becomes of them: with `is_charged`
-- what was held is used from now on, else it goes back. Writes nothing.
function hold_store.read(record, limits, now, is_charged)
  local amount = record_store.amount(record, FIELD.plan)
  record_store.amount(record, FIELD.plan_nanos) -- which the answer tells
  local hold = {plan = amount, windows = {}, is_gone = false}
  for _, w in ipairs(limits) do
    local slot = record_store.slot(record, FIELD.slot, w.place)
    if w.place < BOUND.gate and slot then
      window_store.read(w, now, slot)
      hold.windows[#hold.windows + 1] = w
      local is_there = window_store.plan(w, is_charged and 0 or -amount, -amount)
      hold.is_gone = hold.is_gone or not is_there
    end
  end
  hold.legs = leg_list.of(record)
  lot_move_store.read(hold.legs)
  for _, leg in ipairs(hold.legs) do
    lot_move_store.plan(leg, -leg.held, is_charged and leg.held or 0, now)
  end
  return hold
end

-- Writes it.
function hold_store.write(hold)
  for _, w in ipairs(hold.windows) do window_store.write(w) end
  lot_move_store.write(hold.legs)
end

return hold_store
