-- returnable_store: what holds may still give back to a pool, for explaining a denial.
local whole = require("lib.whole")
local lot = require("lib.lot")

local returnable_store = {}

-- What live holds keep of lots that could have it back: not of those that have ended (SEM-47).
-- As far as a double counts; reads as many lots as a pool can have open.
function returnable_store.sum(now)
  local held, sum = redis.call("HGETALL", KEY.pool_held), 0
  for i = 1, math.min(#held, 2 * BOUND.lots), 2 do
    local id = held[i]
    local ends_ms = whole.of(redis.call("HGET", KEY.pool_ends, id), 0, KEY.pool_ends, id)
    local is_revoked = redis.call("HEXISTS", KEY.pool_revoked, id) == 1
    if lot.return_to(ends_ms, is_revoked, now) == "available" then
      local kept = whole.amount_of(held[i + 1], nil, KEY.pool_held, id)
      sum = math.min(BOUND.amount, sum + kept)
    end
  end
  return sum
end

return returnable_store
