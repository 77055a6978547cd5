-- revoke_store: a grant that is taken back, all lots of it. A lot's field among the revoked says so,
-- even where it is 0.
local whole = require("lib.whole")
local lot_facts = require("lib.lot_facts")

local revoke_store = {}

-- One of its lots; nil if there is none. Where it stands in the order is worked out from what the
-- grant said, not from what the caller says.
local function read(id, now)
  local info = redis.call("HGET", KEY.pool_info, id)
  if not info then return nil end
  local function amount(key)
    return whole.amount_of(redis.call("HGET", key, id), 0, key, id)
  end
  local expire_ms = whole.of(redis.call("HGET", KEY.pool_ends, id), nil, KEY.pool_ends, id)
  local is_over = expire_ms > 0 and expire_ms <= now
  local left = amount(KEY.pool_available) + amount(KEY.pool_parked)
  return {
    id = id,
    member = lot_facts.member(id, info),
    -- What had expired by now is not revoked any more: its end is booked as any other.
    nanos = is_over and 0 or left,
    is_revoked = redis.call("HEXISTS", KEY.pool_revoked, id) == 1,
  }
end

-- The lots of a grant that are not revoked yet, and whether there is such a grant.
function revoke_store.read(lot_id, now)
  redis.call("ZCARD", KEY.pool_order)
  redis.call("ZCARD", KEY.pool_waiting)
  local lots, id = {}, lot_id
  for number = 2, BOUND.lots + 1 do
    local one = read(id, now)
    if one == nil then return lots, number > 2 end
    if not one.is_revoked then lots[#lots + 1] = one end
    id = string.format("%s.%d", lot_id, number)
  end
  return lots, true
end

-- Takes the nanos, all that is available or waiting, unless they are none; marks each in any case.
function revoke_store.write(lots)
  for _, one in ipairs(lots) do
    local id = one.id
    redis.call("HSET", KEY.pool_revoked, id, one.nanos)
    if one.nanos > 0 then
      for _, key in ipairs({KEY.pool_available, KEY.pool_parked}) do redis.call("HDEL", key, id) end
      for _, key in ipairs({KEY.pool_order, KEY.pool_waiting}) do
        redis.call("ZREM", key, one.member)
      end
    end
  end
end

return revoke_store
