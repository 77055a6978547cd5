-- grant_store: creates lots in a pool.
local grant_store = {}

-- What is known of the lot already, and how many lots are open (SEM-24): those that can be drawn
-- on now, and those that are wholly held and may come back.
function grant_store.read(lot_id, now)
  local open = redis.call("ZCOUNT", KEY.pool_order, string.format("(%.0f", now), "+inf")
  for _, id in ipairs(redis.call("HKEYS", KEY.pool_held)) do
    if redis.call("HEXISTS", KEY.pool_available, id) == 0 then open = open + 1 end
  end
  redis.call("HLEN", KEY.pool_available)
  redis.call("HLEN", KEY.pool_ends)
  return redis.call("HGET", KEY.pool_info, lot_id), open
end

-- Creates the lot. `info` is written and read by Python only.
function grant_store.add(lot_id, member, expire_ms, nanos, info)
  local score = expire_ms
  if score == 0 then score = "+inf" end
  redis.call("HSET", KEY.pool_info, lot_id, info)
  redis.call("HSET", KEY.pool_available, lot_id, nanos)
  redis.call("HSET", KEY.pool_ends, lot_id, expire_ms)
  redis.call("ZADD", KEY.pool_order, score, member)
end

return grant_store
