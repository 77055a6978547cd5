-- purge_list_store: reads, moves and clears entries of a team's list of records by purge time.
local whole = require("lib.whole")

local purge_list_store = {}

-- When this record may leave; nil if it is not listed.
function purge_list_store.read(id)
  local score = redis.call("ZSCORE", KEY.purge, id)
  return score and whole.of(score, nil, KEY.purge, "time") or nil
end

-- Fails before anything is written if the list is not what it should be.
function purge_list_store.probe()
  redis.call("ZCARD", KEY.purge)
end

-- A record is kept until `purge_ms` at least; its team may be looked at early.
function purge_list_store.extend(id, purge_ms)
  redis.call("ZADD", KEY.purge, "GT", purge_ms, id)
end

-- Takes it off the list.
function purge_list_store.remove(id)
  redis.call("ZREM", KEY.purge, id)
end

return purge_list_store
