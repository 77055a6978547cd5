-- gate: the checks that come before any decision: the clocks agree, and the order still holds.
local gate = {}

-- The outcome that refuses this call, or nil.
function gate.check(now, time_ms)
  if math.abs(time_ms - ARG.witness_ms) > BOUND.skew_ms then return OUTCOME.SKEWED end
  if now < ARG.valid_from_ms or now >= ARG.valid_until_ms then return OUTCOME.BOUNDARY end
  return nil
end

return gate
