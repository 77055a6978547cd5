-- entry_store: lets waiting lots into the order of their pool: one ZSET by the time of their grant,
-- and a HASH of their nanos. They enter oldest first, while there are places.
local whole = require("lib.whole")
local lot = require("lib.lot")
local waiting_store = require("lib.waiting_store")

local entry_store = {}

-- The oldest waiting lots that have a place, with those on the way whose time is over. Fails before
-- anything is written if what they will enter is not what it should be.
function entry_store.next(now)
  for _, key in ipairs({KEY.pool_available, KEY.pool_expired}) do redis.call("HLEN", key) end
  local places = BOUND.lots - waiting_store.open(now)
  local found, lots = redis.call("ZRANGE", KEY.pool_waiting, 0, BOUND.batch - 1), {}
  for _, member in ipairs(found) do
    local id = lot.id(member)
    local nanos = whole.of(redis.call("HGET", KEY.pool_parked, id), nil, KEY.pool_parked, id)
    local one = {
      member = member,
      expire_ms = whole.of(redis.call("HGET", KEY.pool_ends, id), nil, KEY.pool_ends, id),
      nanos = whole.amount(nanos, KEY.pool_parked, id),
    }
    one.is_over = one.expire_ms > 0 and one.expire_ms <= now
    if not one.is_over then
      if places <= 0 then break end
      places = places - 1
    end
    lots[#lots + 1] = one
  end
  return lots
end

-- Lets them in; what is over becomes expired instead.
function entry_store.enter(lots)
  for _, one in ipairs(lots) do
    local id = lot.id(one.member)
    redis.call("ZREM", KEY.pool_waiting, one.member)
    redis.call("HDEL", KEY.pool_parked, id)
    if one.is_over then
      redis.call("HSET", KEY.pool_expired, id, one.nanos)
    else
      redis.call("HSET", KEY.pool_available, id, one.nanos)
      redis.call("ZADD", KEY.pool_order, lot.score(one.expire_ms), one.member)
    end
  end
end

return entry_store
