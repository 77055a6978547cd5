-- charge_store: gives back a part of what a commit charged, to the windows and lots it came from.
local refund = require("lib.refund")
local window_store = require("lib.window_store")
local record_store = require("lib.record_store")
local leg_list = require("lib.leg_list")
local lot_move_store = require("lib.lot_move_store")

local charge_store = {}

-- What has been charged and what of it has gone back, in nanos and in the plan's units.
function charge_store.sums(record)
  local legs = leg_list.of(record)
  local kept = record_store.amount(record, FIELD.keep, record_store.amount(record, FIELD.plan))
  local units = kept + record_store.amount(record, FIELD.over)
  local charged = record_store.amount(record, FIELD.plan_paid, units)
  for _, leg in ipairs(legs) do charged = charged + leg.charged end
  return {
    legs = legs,
    charged = charged,
    left = charged - record_store.amount(record, FIELD.refunded),
    units = units,
    units_back = record_store.amount(record, FIELD.plan_back),
  }
end

-- Reads the windows and decides what of `units` returns to each. What was kept lies in the slot of
-- the admission; what came beyond it may lie in a later one: then the first was over already.
local function plan_windows(back, record, limits, now, units_before)
  local over = record_store.amount(record, FIELD.over)
  local from_over, from_keep = refund.split(over, units_before, units_before + back.units)
  for _, w in ipairs(limits) do
    local first = record_store.slot(record, FIELD.slot, w.place)
    if w.place < BOUND.gate and first and back.units > 0 then
      local later = record_store.slot(record, FIELD.over_slot, w.place) or first
      local amount = later == first and from_over + from_keep or from_over
      window_store.read(w, now, later)
      local is_there = amount == 0 or window_store.plan(w, -amount, 0)
      back.windows[#back.windows + 1] = {w = w, amount = is_there and amount or 0}
      back.is_gone = back.is_gone or not is_there or amount < back.units
    end
  end
end

-- Decides how `nanos` (and `units` of a counted allowance) of the charge go back. Writes nothing.
function charge_store.plan(record, sums, limits, now, nanos, units)
  local before = sums.charged - sums.left
  local back = {windows = {}, is_gone = false, legs = sums.legs, nanos = nanos}
  back.plan_nanos = refund.share(sums.legs, before, before + nanos)
  back.units = units or back.plan_nanos
  plan_windows(back, record, limits, now, sums.units_back)
  lot_move_store.read(back.legs)
  for _, leg in ipairs(back.legs) do lot_move_store.plan(leg, 0, -leg.back_now, now) end
  return back
end

-- Gives it back.
function charge_store.write(back)
  for _, one in ipairs(back.windows) do window_store.write(one.w) end
  lot_move_store.write(back.legs)
end

return charge_store
