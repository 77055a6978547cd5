-- purge_store: the list of a team's records by the time they may leave the store.
local agenda_store = require("lib.agenda_store")

local purge_store = {}

-- Fails before anything is written if a list is not what it should be.
function purge_store.probe()
  redis.call("ZCARD", KEY.holds)
  redis.call("ZCARD", KEY.purge)
  agenda_store.probe()
end

-- Whether it is listed among the live holds.
function purge_store.is_hold(id)
  return redis.call("ZSCORE", KEY.holds, id) ~= false
end

-- A hold has ended: its record is kept until `purge_ms`. `due_ms` of the team may stay early.
function purge_store.replace_hold(team_id, id, purge_ms)
  redis.call("ZREM", KEY.holds, id)
  redis.call("ZADD", KEY.purge, purge_ms, id)
  agenda_store.bring_forward(team_id, purge_ms)
end

-- A record that never was a hold, and the mark that it set, if any.
function purge_store.keep(team_id, id, mark_id, purge_ms)
  redis.call("ZADD", KEY.purge, purge_ms, id)
  if mark_id ~= "" then redis.call("ZADD", KEY.purge, purge_ms, mark_id) end
  agenda_store.bring_forward(team_id, purge_ms)
end

return purge_store
