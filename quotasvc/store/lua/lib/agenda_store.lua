-- agenda_store: the earliest entry of a team's lists, and the team's place in its partition's.
local whole = require("lib.whole")

local agenda_store = {}

-- The earliest time in a list; nil if it is empty, or nothing in it ever ends.
function agenda_store.first(key)
  local range = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")
  if not range[2] or range[2] == "inf" then return nil end
  return whole.of(range[2], nil, key, "time")
end

-- Fails before anything is written if the partition's list is not what it should be.
function agenda_store.probe()
  redis.call("ZCARD", KEY.due)
end

-- Sets when the team is next due; nil: never.
function agenda_store.write(team_id, next_ms)
  if next_ms then
    redis.call("ZADD", KEY.due, next_ms, team_id)
  else
    redis.call("ZREM", KEY.due, team_id)
  end
end

-- The team is due at `at_ms` at the latest.
function agenda_store.bring_forward(team_id, at_ms)
  redis.call("ZADD", KEY.due, "LT", at_ms, team_id)
end

return agenda_store
