-- balance_store: what is open in a pool, and its sums.
local lot = require("lib.lot")

local balance_store = {}

-- What is available and held by lot, the ids of those that are over without having been booked, and
-- what waits with its end, by lot; then the sums.
function balance_store.open(now)
  local over, waiting = {}, redis.call("HGETALL", KEY.pool_parked)
  for i, member in ipairs(redis.call("ZRANGEBYSCORE", KEY.pool_order, "-inf", now)) do
    over[i] = lot.id(member)
  end
  local ends = {}
  for i = 1, #waiting, 2 do
    ends[i] = waiting[i]
    ends[i + 1] = redis.call("HGET", KEY.pool_ends, waiting[i]) or "0"
  end
  return {
    redis.call("HGETALL", KEY.pool_available), redis.call("HGETALL", KEY.pool_held), over,
    waiting, ends, redis.call("HGETALL", KEY.pool_sums),
  }
end

return balance_store
