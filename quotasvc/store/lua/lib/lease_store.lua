-- lease_store: slots and connections in use: one ZSET per cap, reservations by the end of their
-- lease, so that a crashed gateway locks nobody out (SEM-20).
local whole = require("lib.whole")

local lease_store = {}

-- Reads how many leases live at `now`, and when the first of them ends (0: none).
function lease_store.read(w, now)
  local first = redis.call(
    "ZRANGEBYSCORE", w.key, string.format("(%.0f", now), "+inf", "WITHSCORES", "LIMIT", 0, 1
  )
  w.held, w.total, w.first_end_ms = 0, 0, 0
  if first[2] then
    w.first_end_ms = whole.of(first[2], nil, w.key, "lease")
    w.total = redis.call("ZCOUNT", w.key, string.format("(%.0f", now), "+inf")
  end
end

-- When enough leases have ended for one more, as window.fits_ms reads it.
function lease_store.leaving(w, now)
  if w.limit < 1 or w.total < w.limit then return {} end
  local found = redis.call(
    "ZRANGEBYSCORE", w.key, string.format("(%.0f", now), "+inf", "WITHSCORES",
    "LIMIT", w.total - w.limit, 1
  )
  local at_ms = whole.of(found[2], nil, w.key, "lease")
  return {{at_ms = at_ms, amount = w.total - w.limit + 1}}
end

-- Takes a slot, or renews its lease; those that have ended leave.
function lease_store.take(key, digest, ends_ms, now)
  redis.call("ZREMRANGEBYSCORE", key, "-inf", now)
  redis.call("ZADD", key, ends_ms, digest)
end

-- Fails before anything is written if the set is not what it should be.
function lease_store.probe(key)
  redis.call("ZCARD", key)
end

-- Frees the slot.
function lease_store.free(key, digest)
  redis.call("ZREM", key, digest)
end

return lease_store
