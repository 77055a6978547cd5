-- hold_store: gives back all that a live hold keeps: in its windows, and in its lots.
local window_store = require("lib.window_store")
local record_store = require("lib.record_store")
local lot_move_store = require("lib.lot_move_store")
local window = require("lib.window")

local hold_store = {}

-- Reads the windows and lots of a held record, and decides what returns. Writes nothing.
function hold_store.read(record, windows, now)
  local hold = {plan = record_store.amount(record, "plan"), windows = {}, is_gone = false}
  for i, w in ipairs(windows) do
    local slot = record_store.slot(record, "w", w.place)
    if slot then
      window_store.read(KEY.windows[i], w, now, slot)
      hold.windows[#hold.windows + 1] = {key = KEY.windows[i], w = w}
      hold.is_gone = hold.is_gone or not window.is_live(w, slot, now)
      window_store.plan(KEY.windows[i], w, now, -hold.plan, -hold.plan)
    end
  end
  hold.legs = record_store.legs(record)
  lot_move_store.read(hold.legs)
  for _, leg in ipairs(hold.legs) do lot_move_store.plan(leg, -leg.held, 0, now) end
  return hold
end

-- Gives it back.
function hold_store.give_back(hold)
  for _, one in ipairs(hold.windows) do window_store.write(one.key, one.w) end
  lot_move_store.write(hold.legs)
end

return hold_store
