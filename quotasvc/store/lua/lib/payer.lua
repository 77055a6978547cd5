-- payer: how a cost is shared between the plan and a pool.
local payer = {}

-- How much the plan takes of `plan.amount`, given the least room of its windows.
function payer.plan_share(plan, room)
  if room >= plan.amount then return plan.amount end
  if plan.straddle == STRADDLE.ABSORB and room > 0 then return plan.amount end
  if plan.straddle == STRADDLE.SPLIT and room > 0 and room >= plan.split_min then return room end
  return 0
end

-- What is left of `cost` for the pool when the plan takes `share`.
function payer.rest(plan, share, cost)
  if share == plan.amount then return 0 end
  return cost - share -- a share below the amount is of a cost allowance, whose unit is nanos
end

-- How much room the plan must have for the request to pass, when a pool could give `available`.
function payer.plan_need(plan, cost, available)
  if plan.straddle == STRADDLE.ABSORB then return 1 end
  if plan.straddle == STRADDLE.STRICT then return plan.amount end
  return math.max(cost - available, math.min(plan.split_min, cost))
end

return payer
