-- charge_store: gives back all that a commit charged, to the windows and lots that it came from.
local window = require("lib.window")
local window_store = require("lib.window_store")
local record_store = require("lib.record_store")
local lot_move_store = require("lib.lot_move_store")

local charge_store = {}

-- The slot of a window whose charge can still be moved, how much lies there, and whether more lay
-- elsewhere. What was kept lies in the slot of the admission; what came beyond it may lie in a
-- later one, which means that the first was over already then.
local function charged_in(record, place)
  local kept = record_store.amount(record, "keep")
  local over = record_store.amount(record, "over")
  local first = record_store.slot(record, "w", place)
  local later = record_store.slot(record, "o", place) or first
  if later == first then return first, kept + over, false end
  return later, over, kept > 0
end

-- Reads the windows and lots of a committed record, and decides what returns. Writes nothing.
function charge_store.read(record, windows, now)
  local back = {windows = {}, is_gone = false, plan = 0}
  for i, w in ipairs(windows) do
    if record_store.slot(record, "w", w.place) then
      local slot, amount, is_split = charged_in(record, w.place)
      window_store.read(KEY.windows[i], w, now, slot)
      local is_live = window.is_live(w, slot, now)
      window_store.plan(KEY.windows[i], w, now, -amount, 0)
      back.windows[#back.windows + 1] =
        {key = KEY.windows[i], w = w, amount = is_live and amount or 0}
      back.is_gone = back.is_gone or is_split or not is_live
    end
  end
  back.plan = record_store.amount(record, "keep") + record_store.amount(record, "over")
  back.plan_nanos = record_store.amount(record, "plan_paid")
  back.nanos = back.plan_nanos
  back.legs = record_store.legs(record)
  lot_move_store.read(back.legs)
  for _, leg in ipairs(back.legs) do
    lot_move_store.plan(leg, 0, -leg.charged, now)
    back.nanos = back.nanos + leg.charged
  end
  return back
end

-- Gives it back.
function charge_store.give_back(back)
  for _, one in ipairs(back.windows) do window_store.write(one.key, one.w) end
  lot_move_store.write(back.legs)
end

return charge_store
