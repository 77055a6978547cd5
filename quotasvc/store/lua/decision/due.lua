-- due: finds anew what is next due for a team, after what was due has been dealt with.
local team_store = require("lib.team_store")
local agenda_store = require("lib.agenda_store")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return {OUTCOME.UNKNOWN, 0} end
local hold_ms, purge_ms = agenda_store.first(KEY.holds), agenda_store.first(KEY.purge)

-- Decide.
team.due_ms = hold_ms or 0
local next_ms = hold_ms or purge_ms
if purge_ms and next_ms then next_ms = math.min(next_ms, purge_ms) end
agenda_store.probe()

-- From here on nothing may fail.
agenda_store.write(ARG.team_id, next_ms)
team_store.save(KEY.team, team)
return {OUTCOME.GRANTED, next_ms or 0}
