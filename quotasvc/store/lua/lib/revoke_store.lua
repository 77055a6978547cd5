-- revoke_store: a lot that is taken back. Its field among the revoked says so, even where it is 0.
local whole = require("lib.whole")

local revoke_store = {}

-- The lot; nil if there is none.
function revoke_store.read(id, now)
  if redis.call("HEXISTS", KEY.pool_info, id) == 0 then return nil end
  redis.call("ZCARD", KEY.pool_order)
  redis.call("ZCARD", KEY.pool_waiting)
  local function amount(key)
    return whole.amount_of(redis.call("HGET", key, id), 0, key, id)
  end
  local expire_ms = whole.of(redis.call("HGET", KEY.pool_ends, id), nil, KEY.pool_ends, id)
  return {
    id = id,
    nanos = amount(KEY.pool_available) + amount(KEY.pool_parked),
    is_revoked = redis.call("HEXISTS", KEY.pool_revoked, id) == 1,
    is_over = expire_ms > 0 and expire_ms <= now,
  }
end

-- Takes `nanos`, all that is available or waiting, unless it is none; marks the lot in any case.
function revoke_store.write(lot, member, nanos)
  local id = lot.id
  redis.call("HSET", KEY.pool_revoked, id, nanos)
  if nanos == 0 then return end
  for _, key in ipairs({KEY.pool_available, KEY.pool_parked}) do redis.call("HDEL", key, id) end
  for _, key in ipairs({KEY.pool_order, KEY.pool_waiting}) do redis.call("ZREM", key, member) end
end

return revoke_store
