-- closed_lot_store: the lots of a pool that are neither open nor waiting, page by page in the order
-- in which they would be drawn.
local whole = require("lib.whole")
local lot = require("lib.lot")

local closed_lot_store = {}

local STEP = 100

-- A few lots of the list of all, and whether they are closed.
local function step(from, now)
  local range = redis.call("ZRANGE", KEY.pool_all, from, from + STEP - 1, "WITHSCORES")
  local lots, ids = {}, {}
  for i = 1, #range, 2 do
    local member, ends = range[i], range[i + 1]
    local is_over = ends ~= "inf" and whole.of(ends, nil, KEY.pool_all, member) <= now
    lots[#lots + 1] = {member = member, is_over = is_over}
    ids[#ids + 1] = lot.id(member)
  end
  if #ids == 0 then return lots end
  local available = redis.call("HMGET", KEY.pool_available, unpack(ids))
  local held = redis.call("HMGET", KEY.pool_held, unpack(ids))
  local parked = redis.call("HMGET", KEY.pool_parked, unpack(ids))
  for i, one in ipairs(lots) do
    one.is_closed = not held[i] and not parked[i] and (one.is_over or not available[i])
  end
  return lots
end

-- Adds the next to `page`, as open_lot_store does. Others may lie between: a page ends before it is
-- full where they are more than a pool has open.
function closed_lot_store.fill(page, size, after, now)
  local first = (redis.call("ZRANK", KEY.pool_all, after) or -1) + 1
  for from = first, first + size + BOUND.lots, STEP do
    local lots = step(from, now)
    for _, one in ipairs(lots) do
      if one.is_closed and #page == size then return after end
      after = one.member
      if one.is_closed then page[#page + 1] = after end
    end
    if #lots < STEP then return nil end
  end
  return after
end

return closed_lot_store
