-- marker_store: the schema marker, which tells an empty store from one that lost its data.
local marker_store = {}

-- The schema number and the store's id; false where there is no marker.
function marker_store.read(key)
  local found = redis.call("HMGET", key, "schema", "store_id")
  return found[1], found[2]
end

-- Whether nothing at all is stored here.
function marker_store.is_alone()
  return redis.call("DBSIZE") == 0
end

function marker_store.write(key, schema, store_id)
  redis.call("HSET", key, "schema", schema, "store_id", store_id)
end

return marker_store
