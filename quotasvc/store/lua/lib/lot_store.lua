-- lot_store: draws on the lots of one pool: a ZSET for the order (score: expiry, member:
-- "<purchased_at>:<lot id>"; lots with nothing available are not in it), and a HASH of nanos by
-- lot id for each state that credit can be in. Expired lots are skipped by their score.
local whole = require("lib.whole")
local lot = require("lib.lot")

local lot_store = {}

local PAGE = 16

-- One page of drawable lots, from `offset` on.
local function page(offset, now)
  local range = redis.call(
    "ZRANGEBYSCORE", KEY.pool_order, string.format("(%.0f", now), "+inf", "WITHSCORES",
    "LIMIT", offset, PAGE
  )
  local lots, ids = {}, {}
  for i = 1, #range, 2 do
    local expire_ms = 0
    if range[i + 1] ~= "inf" then expire_ms = whole.of(range[i + 1], nil, KEY.pool_order, "expiry") end
    lots[#lots + 1] = {member = range[i], expire_ms = expire_ms}
    ids[#ids + 1] = lot.id(range[i])
  end
  if #ids == 0 then return lots end
  for i, text in ipairs(redis.call("HMGET", KEY.pool_available, unpack(ids))) do
    lots[i].available = whole.amount_of(text, 0, KEY.pool_available, ids[i])
  end
  return lots
end

-- Draws up to `need` in order, from no more than `lots_max` lots beside those in `known`, by their
-- members; reads only as many pages as that takes. Returns the shares and what no lot could give.
-- Writes nothing.
function lot_store.draw(need, now, lots_max, known)
  local shares, offset, is_more = {}, 0, true
  while need > 0 and is_more do
    local lots = page(offset, now)
    is_more = #lots == PAGE
    for i, one in ipairs(lots) do
      if not known[one.member] then lots_max = lots_max - 1 end
      if lots_max < 0 then lots[i], is_more = nil, false end -- a draw ends there
    end
    need = lot.draw(lots, need, shares)
    offset = offset + PAGE
  end
  return shares, need
end

-- The legs that hold `shares`.
function lot_store.legs(shares)
  local legs = {}
  for i, one in ipairs(shares) do
    legs[i] = {member = one.member, expire_ms = one.expire_ms, held = one.nanos}
  end
  return legs
end

-- The legs that are charged `shares` at once.
function lot_store.charges(shares)
  local legs = {}
  for i, one in ipairs(shares) do
    legs[i] = {member = one.member, expire_ms = one.expire_ms, held = 0, charged = one.nanos}
  end
  return legs
end

-- What live holds keep of the lots of `shares` now, in their order.
function lot_store.read_held(shares)
  for _, share in ipairs(shares) do
    local text = redis.call("HGET", KEY.pool_held, lot.id(share.member))
    share.held = whole.amount_of(text, 0, KEY.pool_held, share.member)
  end
end

-- Moves the shares from available to held; a lot with nothing left leaves the order.
function lot_store.take(shares)
  for _, share in ipairs(shares) do
    local id = lot.id(share.member)
    local left = share.available - share.nanos
    redis.call("HSET", KEY.pool_held, id, share.held + share.nanos)
    if left > 0 then
      redis.call("HSET", KEY.pool_available, id, left)
    else
      redis.call("HDEL", KEY.pool_available, id)
      redis.call("ZREM", KEY.pool_order, share.member)
    end
  end
end

return lot_store
