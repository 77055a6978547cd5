-- purge_list_store: reads and clears entries of a team's list of records by purge time.
local whole = require("lib.whole")

local purge_list_store = {}

-- When this record may leave; nil if it is not listed.
function purge_list_store.read(id)
  local score = redis.call("ZSCORE", KEY.purge, id)
  return score and whole.of(score, nil, KEY.purge, "time") or nil
end

-- Takes it off the list.
function purge_list_store.remove(id)
  redis.call("ZREM", KEY.purge, id)
end

return purge_list_store
