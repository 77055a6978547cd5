-- due_store: what time will end: a team's holds by expiry, its records by purge time, and the
-- partition's teams by the earliest of both, for the sweeper. The team's `due_ms` is never later
-- than its earliest hold ends, so that a decision sees in its counters whether to ask for a reap.
local agenda_store = require("lib.agenda_store")

local due_store = {}

-- Fails before anything is written if a list is not what it should be.
function due_store.probe()
  redis.call("ZCARD", KEY.holds)
  agenda_store.probe()
end

-- Lists a new hold.
function due_store.add_hold(team, team_id, id, expire_ms)
  redis.call("ZADD", KEY.holds, expire_ms, id)
  if team.due_ms == 0 or expire_ms < team.due_ms then
    team.due_ms = expire_ms
    agenda_store.bring_forward(team_id, expire_ms)
  end
end

-- A hold ends later than it would have; the team may be looked at early.
function due_store.move_hold(id, expire_ms)
  redis.call("ZADD", KEY.holds, expire_ms, id)
end

return due_store
