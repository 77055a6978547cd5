-- refund: which part of a charge goes back: the last leg first, the plan's last of all, and of the
-- plan what was charged beyond the hold first (SEM-25, SEM-29).
local refund = {}

-- How much of leg i's charge has gone back once `nanos` of all have.
local function taken(legs, nanos)
  local parts = {}
  for i = #legs, 1, -1 do
    parts[i] = math.min(nanos, legs[i].charged)
    nanos = nanos - parts[i]
  end
  return parts, nanos
end

-- Sets `back` of each lot leg when the sum that went back rises from `before` to `after` nanos;
-- returns what of it is the plan's.
function refund.share(legs, before, after)
  local was, plan_was = taken(legs, before)
  local is, plan_is = taken(legs, after)
  for i, leg in ipairs(legs) do leg.back_now = is[i] - was[i] end
  return plan_is - plan_was
end

-- How much of the plan's units comes from beyond the hold, and how much from what was kept, when
-- what went back rises from `before` to `after` units.
function refund.split(over, before, after)
  local from_over = math.min(after, over) - math.min(before, over)
  return from_over, after - before - from_over
end

return refund
