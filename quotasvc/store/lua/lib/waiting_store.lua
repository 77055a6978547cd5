-- waiting_store: whether paid lots that found the pool full could enter its order by now (SEM-24).
local whole = require("lib.whole")
local lot = require("lib.lot")

local waiting_store = {}

-- How many lots are open: those that can be drawn on at `now`, and those wholly held.
function waiting_store.open(now)
  local open = redis.call("ZCOUNT", KEY.pool_order, string.format("(%.0f", now), "+inf")
  for _, id in ipairs(redis.call("HKEYS", KEY.pool_held)) do
    if redis.call("HEXISTS", KEY.pool_available, id) == 0 then
      local ends_ms = whole.of(redis.call("HGET", KEY.pool_ends, id), 0, KEY.pool_ends, id)
      if ends_ms == 0 or ends_ms > now then open = open + 1 end
    end
  end
  return open
end

local function has_place(now)
  return waiting_store.open(now) < BOUND.lots
end

-- Whether a waiting lot could enter now: no draw or listing is right before it has.
function waiting_store.is_due(now)
  return redis.call("ZCARD", KEY.pool_waiting) > 0 and has_place(now)
end

-- When one of them can leave the queue, as far as the clock or a free place decides: now where a
-- place is free, else when the oldest one ends; nil: never, or none waits.
function waiting_store.next_ms(now)
  local oldest = redis.call("ZRANGE", KEY.pool_waiting, 0, 0)[1]
  if not oldest then return nil end
  if has_place(now) then return now end
  local id = lot.id(oldest)
  local ends_ms = whole.of(redis.call("HGET", KEY.pool_ends, id), nil, KEY.pool_ends, id)
  return ends_ms > 0 and ends_ms or nil
end

return waiting_store
