-- lot_move_store: settles legs with the lots that they came from: what was held becomes consumed,
-- and what comes back becomes available, or expired or revoked where the lot has ended (SEM-23).
local whole = require("lib.whole")
local lot = require("lib.lot")
local sum_store = require("lib.sum_store")

local lot_move_store = {}

-- The HASH of each state that credit can be in.
local function key_of(state)
  if state == "held" then return KEY.pool_held end
  if state == "consumed" then return KEY.pool_consumed end
  if state == "available" then return KEY.pool_available end
  if state == "expired" then return KEY.pool_expired end
  return KEY.pool_revoked
end

local function amount_of(state, id)
  local key = key_of(state)
  return whole.amount_of(redis.call("HGET", key, id), 0, key, id)
end

-- Reads what the lots of `legs` hold for others and have consumed, into leg.lot. Fails before
-- anything is written if the order, which is not read, is not what it should be.
function lot_move_store.read(legs)
  if #legs > 0 then redis.call("ZCARD", KEY.pool_order) end
  for _, leg in ipairs(legs) do
    local id = lot.id(leg.member)
    leg.lot = {held = amount_of("held", id), consumed = amount_of("consumed", id)}
  end
end

-- Decides what a leg's lot will have after `held` and `consumed` change by these, the rest going
-- back to (or, below 0, being drawn from) the lot. Refuses an impossible result; writes nothing.
function lot_move_store.plan(leg, held, consumed, now)
  local after = {held = leg.lot.held + held, consumed = leg.lot.consumed + consumed}
  local back = -held - consumed
  leg.goes_to = "available"
  leg.back = back
  if back ~= 0 then
    local id = lot.id(leg.member)
    if back > 0 then
      local is_revoked = redis.call("HEXISTS", KEY.pool_revoked, id) == 1
      leg.goes_to = lot.return_to(leg.expire_ms, is_revoked, now)
    end
    after[leg.goes_to] = amount_of(leg.goes_to, id) + back
    if leg.goes_to ~= "available" then sum_store.probe(KEY.pool_sums) end
  end
  for state, amount in pairs(after) do whole.amount(amount, leg.member, state) end
  leg.after = after
end

-- Writes what was planned. A lot is in the order exactly while it has something available.
function lot_move_store.write(legs)
  for _, leg in ipairs(legs) do
    local id = lot.id(leg.member)
    for state, amount in pairs(leg.after) do
      if amount > 0 then
        redis.call("HSET", key_of(state), id, amount)
      else
        redis.call("HDEL", key_of(state), id)
      end
    end
    if leg.after.available == 0 then
      redis.call("ZREM", KEY.pool_order, leg.member)
    elseif leg.after.available then
      redis.call("ZADD", KEY.pool_order, lot.score(leg.expire_ms), leg.member)
    end
    if leg.goes_to ~= "available" then sum_store.add(KEY.pool_sums, leg.goes_to, leg.back) end
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
