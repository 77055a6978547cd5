-- grant_store: creates lots in a pool.
local whole = require("lib.whole")
local lot = require("lib.lot")

local grant_store = {}

local WIDTH = 3

-- The lots of a grant, as Python sends them from `first` on: member, nanos and facts each.
function grant_store.lots(words, first)
  local lots = {}
  for i = first, #words, WIDTH do
    lots[#lots + 1] = {
      member = words[i],
      id = lot.id(words[i]),
      nanos = whole.of(words[i + 1], nil, "argument", "nanos"),
      info = words[i + 2],
    }
  end
  return lots
end

-- Fails before anything is written if the pool is not what it should be.
function grant_store.probe()
  for _, key in ipairs({KEY.pool_order, KEY.pool_waiting, KEY.pool_all}) do
    redis.call("ZCARD", key)
  end
  for _, key in ipairs({KEY.pool_available, KEY.pool_parked, KEY.pool_ends}) do
    redis.call("HLEN", key)
  end
end

-- Whether any of the lots is there already, and whether they all are, as they are granted here, and
-- no further part of the same grant.
function grant_store.compare(lots)
  local is_known, is_same = false, true
  for _, one in ipairs(lots) do
    local info = redis.call("HGET", KEY.pool_info, one.id)
    is_known = is_known or info ~= false
    is_same = is_same and info == one.info
  end
  local further = string.format("%s.%d", lots[1].id, #lots + 1)
  return is_known, is_same and redis.call("HEXISTS", KEY.pool_info, further) == 0
end

-- Creates a lot, in the order or waiting for a place.
function grant_store.add(one, expire_ms, now, is_waiting)
  redis.call("HSET", KEY.pool_info, one.id, one.info)
  redis.call("HSET", KEY.pool_ends, one.id, expire_ms)
  redis.call("ZADD", KEY.pool_all, lot.score(expire_ms), one.member)
  if is_waiting then
    redis.call("HSET", KEY.pool_parked, one.id, one.nanos)
    redis.call("ZADD", KEY.pool_waiting, now, one.member)
    return
  end
  redis.call("HSET", KEY.pool_available, one.id, one.nanos)
  redis.call("ZADD", KEY.pool_order, lot.score(expire_ms), one.member)
end

return grant_store
