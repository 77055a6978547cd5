-- movement: what a ledger entry says beside its numbers: names and values, complete enough to
-- rebuild every balance and window from the entries alone (SEM-39).
local record_store = require("lib.record_store")
local flat = require("lib.flat")

local movement = {}

local add = flat.add
local nth = record_store.nth

-- What a commit moves of one lot, if it moves anything.
local function add_leg(words, leg)
  local was, is_lost = leg.was or 0, leg.back > 0 and leg.goes_to ~= "available"
  if leg.charged == 0 and was == 0 and not is_lost then return end
  add(words, "lot", leg.member)
  if leg.charged > 0 then add(words, "nanos", leg.charged) end
  if was > 0 then add(words, "was", was) end
  if is_lost then add(words, leg.goes_to, leg.back) end
end

-- A commit: what each window and each lot was charged, of what price, and what nobody paid. Where
-- it replaces the charge of an expiry, `was` says what that was (SEM-30). A lot is named once: what
-- is kept is a prefix, so that all but one of the legs take six words at most.
function movement.commit(record, plan, share, legs, actual, written_off)
  local words = {
    "id", ARG.reservation_id, "plan", share.plan_kept, "over", share.plan_over,
    "plan_nanos", share.plan_nanos, "actual", actual, "written_off", written_off,
  }
  for _, w in ipairs(plan.windows) do
    add(words, nth("w", w.place), record_store.slot(record, FIELD.slot, w.place))
    if share.plan_over > 0 then add(words, nth("o", w.place), w.slot) end
  end
  if plan.was then add(words, "was", plan.was) end
  for _, leg in ipairs(legs) do add_leg(words, leg) end
  return words
end

-- A hold that was charged at its expiry, as it was held.
function movement.expire(record, hold)
  local words = {"id", ARG.reservation_id, "plan", hold.plan}
  for _, w in ipairs(hold.windows) do
    add(words, nth("w", w.place), record_store.slot(record, FIELD.slot, w.place))
  end
  for _, leg in ipairs(hold.legs) do add(words, "lot", leg.member, "nanos", leg.held) end
  return words
end

-- A refund: what each window and each lot got back. Of a window that is over it is nothing,
-- though all of the plan's charge counts as refunded (SEM-49).
function movement.refund(record, back)
  local words = {"id", ARG.reservation_id, "plan", back.units, "plan_nanos", back.plan_nanos}
  for _, one in ipairs(back.windows) do
    add(words, nth("w", one.w.place), one.w.slot)
    add(words, nth("a", one.w.place), one.amount)
  end
  for _, leg in ipairs(back.legs) do
    if leg.back > 0 then add(words, "lot", leg.member, leg.goes_to, leg.back) end
  end
  return words
end

-- A loss: what a hold gave back to lots that had ended.
function movement.loss(record, legs)
  local words = {"id", ARG.reservation_id}
  for _, leg in ipairs(legs) do
    if leg.back > 0 and leg.goes_to ~= "available" then
      add(words, "lot", leg.member, leg.goes_to, leg.back)
    end
  end
  return words
end

return movement
