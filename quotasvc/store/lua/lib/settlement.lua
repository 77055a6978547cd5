-- settlement: who pays the actual usage of a reservation (SEM-27).
--
-- `plan` is {is_leg, is_counted, is_absorbing, held (in its unit), total (of its fullest window)},
-- `legs` the lots of the reservation with `held` nanos each; after expiry everything is held at 0.
-- What was held is kept as a prefix; what is more goes to room in the plan, then to the pool, then
-- to the last leg.
local lot = require("lib.lot")

local settlement = {}

-- A counted plan leg follows the units: it takes all, and nothing spills.
local function counted(plan, legs, amount, nanos)
  local kept = math.min(amount, plan.held)
  lot.keep(legs, 0)
  return {plan_kept = kept, plan_over = amount - kept, plan_nanos = nanos, pool_need = 0}
end

-- Shares `nanos` (and `amount` of a counted allowance) as far as it needs no pool; sets `charged`
-- of each leg. `room` is the least of the plan's windows.
function settlement.share(plan, legs, nanos, amount, room)
  if plan.is_leg and plan.is_counted then return counted(plan, legs, amount, nanos) end
  local kept = math.min(nanos, plan.held)
  local rest = lot.keep(legs, nanos - kept)
  local over = 0
  if plan.is_leg then over = math.min(rest, math.max(room, 0)) end
  return {plan_kept = kept, plan_over = over, plan_nanos = kept + over, pool_need = rest - over}
end

-- Whether the pool may be asked for what is more: not where the plan absorbs it.
function settlement.may_draw(plan, legs)
  return not (plan.is_leg and #legs == 0 and plan.is_absorbing)
end

-- Puts what the pool could not pay on the last leg's source: the plan absorbs it, a pool writes
-- it off. Returns what is written off.
function settlement.finish(share, plan, is_last_leg_plan, short)
  if short == 0 or not (plan.is_leg and is_last_leg_plan) then return short end
  share.plan_over = share.plan_over + short
  share.plan_nanos = share.plan_nanos + short
  return 0
end

-- Keeps a counter within what it can count: a plan that absorbs what no plan ever held would
-- make the window's total a number that cannot be stored. Returns what is written off for it.
function settlement.clamp(share, plan)
  local excess = share.plan_over - (BOUND.amount - plan.total)
  if not plan.is_leg or excess <= 0 then return 0 end
  share.plan_over = share.plan_over - excess
  if plan.is_counted then return 0 end -- its nanos are the list price, whatever is counted
  share.plan_nanos = share.plan_nanos - excess
  return excess
end

-- Which legs are charged something, by the members of their lots, and how many: what went back at
-- an expiry is none.
function settlement.charged(legs)
  local by_member, count = {}, 0
  for _, leg in ipairs(legs) do
    if leg.charged > 0 then
      by_member[leg.member] = leg
      count = count + 1
    end
  end
  return by_member, count
end

-- Adds what was drawn beyond the hold to the legs, each lot once.
function settlement.add_shares(legs, shares)
  local by_member = {}
  for _, leg in ipairs(legs) do by_member[leg.member] = leg end
  for _, share in ipairs(shares) do
    local leg = by_member[share.member]
    if leg then
      leg.charged = leg.charged + share.nanos
    else
      legs[#legs + 1] = {
        member = share.member, expire_ms = share.expire_ms,
        held = 0, kept = 0, charged = share.nanos,
      }
    end
  end
end

return settlement
