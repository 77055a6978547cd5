-- expiry_store: lots of the order whose time is over, and the booking of their end (SEM-22).
local whole = require("lib.whole")
local lot = require("lib.lot")

local expiry_store = {}

-- The lots that have ended and still show something available, a batch at most.
function expiry_store.read(now)
  local lots = {}
  local found =
    redis.call("ZRANGEBYSCORE", KEY.pool_order, "-inf", now, "LIMIT", 0, BOUND.batch)
  for i, member in ipairs(found) do
    local id = lot.id(member)
    local function amount(key, absent)
      return whole.amount_of(redis.call("HGET", key, id), absent, key, id)
    end
    lots[i] = {
      member = member,
      nanos = amount(KEY.pool_available),
      expired = amount(KEY.pool_expired, 0),
    }
  end
  return lots
end

-- Books them: available becomes expired.
function expiry_store.write(lots)
  for _, one in ipairs(lots) do
    local id = lot.id(one.member)
    redis.call("HSET", KEY.pool_expired, id, one.expired + one.nanos)
    redis.call("HDEL", KEY.pool_available, id)
    redis.call("ZREM", KEY.pool_order, one.member)
  end
end

return expiry_store
