-- mark_store: remembers that an old reservation's usage was recorded, and by which request.
local mark_store = {}

-- The digest of the request that recorded it; nil if none did.
function mark_store.read(key)
  return redis.call("HGET", key, FIELD.content) or nil
end

-- Remembers it; the list of purges names the mark by its id.
function mark_store.write(key, id, digest)
  redis.call("HSET", key, FIELD.id, id, FIELD.state, STATE.COMMITTED, FIELD.content, digest)
end

return mark_store
