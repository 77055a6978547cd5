-- due: finds anew what is next due for a team, after what was due has been dealt with.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local agenda_store = require("lib.agenda_store")
local waiting_store = require("lib.waiting_store")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
local hold_ms = agenda_store.first(KEY.holds)
local next_ms = hold_ms
local function consider(at_ms)
  if at_ms then next_ms = math.min(next_ms or at_ms, at_ms) end
end
consider(agenda_store.first(KEY.purge))
consider(agenda_store.first(KEY.pool_order))
consider(waiting_store.next_ms(team_store.now(team, clock.read())))

-- Decide.
team.due_ms = hold_ms or 0
agenda_store.probe()

-- From here on nothing may fail.
agenda_store.write(ARG.team_id, next_ms)
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.GRANTED, next_ms or 0, team)
