-- gate: the checks that come before any decision: the clocks agree, and the order still holds.
local gate = {}

-- The outcome that refuses this call, or nil. `at` is the moment that is decided about.
function gate.check(at, time_ms)
  if math.abs(time_ms - ARG.witness_ms) > BOUND.skew_ms then return OUTCOME.SKEWED end
  if at < ARG.valid_from_ms or at >= ARG.valid_until_ms then return OUTCOME.BOUNDARY end
  return nil
end

return gate
