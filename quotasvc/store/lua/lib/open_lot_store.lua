-- open_lot_store: the open lots of a pool, page by page in the order of drawing: those that can be
-- drawn on, and those of which something is held.
local whole = require("lib.whole")
local lot_facts = require("lib.lot_facts")

local open_lot_store = {}

-- A lot's place among all of its pool. Ranks are compared, not members: the server orders texts by
-- their bytes, Lua as people do where the server was started.
local function rank(member)
  return whole.of(redis.call("ZRANK", KEY.pool_all, member), nil, KEY.pool_all, member)
end

-- Adds the next members behind `after`, which has the rank `last`, that can be drawn on: as many as a
-- page takes, and one. Where it has left the order, all behind it: a pool has so many open at most.
local function add_drawable(members, last, after, size, now)
  local from, to = redis.call("ZCOUNT", KEY.pool_order, "-inf", now), -1
  local at = after == "" and -1 or redis.call("ZRANK", KEY.pool_order, after)
  if at then
    from = math.max(from, at + 1)
    to = from + size
  end
  for _, member in ipairs(redis.call("ZRANGE", KEY.pool_order, from, to)) do
    local place = rank(member)
    if place > last then members[place] = member end
  end
end

-- Adds all that are held behind the rank `last`: some have nothing else left, some have ended.
local function add_held(members, last)
  for _, id in ipairs(redis.call("HKEYS", KEY.pool_held)) do
    local member = lot_facts.member(id, redis.call("HGET", KEY.pool_info, id))
    local place = rank(member)
    if place > last then members[place] = member end
  end
end

-- Adds the next to `page`, until it has `size`, from behind `after` on ("": from the first).
-- Returns the member behind which the next page goes on; nil where no more are open.
function open_lot_store.fill(page, size, after, now)
  local members, ranks = {}, {}
  local last = after == "" and -1 or rank(after)
  add_drawable(members, last, after, size, now)
  add_held(members, last)
  for place in pairs(members) do ranks[#ranks + 1] = place end
  table.sort(ranks)
  for _, place in ipairs(ranks) do
    if #page == size then return after end
    after = members[place]
    page[#page + 1] = after
  end
  return nil
end

return open_lot_store
