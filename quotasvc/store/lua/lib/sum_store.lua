-- sum_store: what a pool was granted and lost in all, exact whatever its size: each sum is kept as
-- two whole numbers, since a pool has no cap and a double has (SEM-3, L6).
local whole = require("lib.whole")

local sum_store = {}

local LIMB = 1000000000000000 -- 10^15: a sum is high * LIMB + low

-- Fails before anything is written if one of the sums is not what it should be.
function sum_store.probe(key)
  local found = redis.call(
    "HMGET", key, "granted", "granted_high", "expired", "expired_high", "revoked", "revoked_high"
  )
  for _, text in ipairs(found) do whole.amount_of(text, 0, key, "sum") end
end

-- Adds an amount to the sum `name`.
function sum_store.add(key, name, amount)
  local high_name = string.format("%s_high", name)
  local found = redis.call("HMGET", key, name, high_name)
  local low = (tonumber(found[1] or 0)) + amount % LIMB
  local high = (tonumber(found[2] or 0)) + math.floor(amount / LIMB)
  if low >= LIMB then low, high = low - LIMB, high + 1 end
  redis.call("HSET", key, name, low, high_name, high)
end

return sum_store
