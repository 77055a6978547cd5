-- pool_store: reads a whole pool.
local pool_store = {}

-- Every HASH of the pool, by lot id; `info` first.
function pool_store.read()
  local hashes = {}
  for i, key in ipairs({
    KEY.pool_info, KEY.pool_available, KEY.pool_held, KEY.pool_consumed, KEY.pool_expired,
    KEY.pool_revoked, KEY.pool_parked,
  }) do
    hashes[i] = redis.call("HGETALL", key)
  end
  return hashes
end

return pool_store
