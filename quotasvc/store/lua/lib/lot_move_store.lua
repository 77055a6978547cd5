-- lot_move_store: settles legs with the lots that they came from: what was held becomes consumed,
-- and what comes back becomes available, or expired or revoked where the lot has ended (SEM-23).
local whole = require("lib.whole")
local lot = require("lib.lot")

local lot_move_store = {}

-- The HASH of each state that credit can be in.
local STATES = {
  available = KEY.pool_available,
  held = KEY.pool_held,
  consumed = KEY.pool_consumed,
  expired = KEY.pool_expired,
  revoked = KEY.pool_revoked,
}

-- Reads what the lots of `legs` have in each state, into leg.lot. Fails before anything is written
-- if the order, which is not read, is not what it should be.
function lot_move_store.read(legs)
  if #legs > 0 then redis.call("ZCARD", KEY.pool_order) end
  for _, leg in ipairs(legs) do
    local id = lot.id(leg.member)
    leg.lot = {}
    for state, key in pairs(STATES) do
      local text = redis.call("HGET", key, id)
      leg.lot[state] = whole.of(text, 0, key, id)
      if state == "revoked" then leg.lot.is_revoked = text ~= false end
    end
  end
end

-- Decides what a leg's lot will have after `held` and `consumed` change by these, the rest going
-- back to (or, below 0, being drawn from) the lot. Refuses an impossible result; writes nothing.
function lot_move_store.plan(leg, held, consumed, now)
  local after = {held = leg.lot.held + held, consumed = leg.lot.consumed + consumed}
  local back = -held - consumed
  leg.goes_to = "available"
  if back > 0 then leg.goes_to = lot.return_to(leg.expire_ms, leg.lot.is_revoked, now) end
  leg.back = back
  after[leg.goes_to] = leg.lot[leg.goes_to] + back
  for state, amount in pairs(after) do whole.amount(amount, leg.member, state) end
  leg.after = after
end

-- Writes what was planned. A lot is in the order exactly while it has something available.
function lot_move_store.write(legs)
  for _, leg in ipairs(legs) do
    local id = lot.id(leg.member)
    for state, amount in pairs(leg.after) do
      if amount > 0 then
        redis.call("HSET", STATES[state], id, amount)
      else
        redis.call("HDEL", STATES[state], id)
      end
    end
    if leg.after.available == 0 then
      redis.call("ZREM", KEY.pool_order, leg.member)
    elseif leg.after.available then
      local score = leg.expire_ms
      if score == 0 then score = "+inf" end
      redis.call("ZADD", KEY.pool_order, score, leg.member)
    end
  end
end

-- What of the legs came back to lots that had expired, and to lots that were revoked.
function lot_move_store.lost(legs)
  local lost = {expired = 0, revoked = 0}
  for _, leg in ipairs(legs) do
    if leg.back > 0 and lost[leg.goes_to] then lost[leg.goes_to] = lost[leg.goes_to] + leg.back end
  end
  return lost
end

return lot_move_store
