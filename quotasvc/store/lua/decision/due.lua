-- due: finds anew what is next due for a team, after what was due has been dealt with.
local team_store = require("lib.team_store")
local agenda_store = require("lib.agenda_store")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
local hold_ms = agenda_store.first(KEY.holds)
local next_ms = hold_ms
for _, key in ipairs({KEY.purge, KEY.pool_order}) do
  local first_ms = agenda_store.first(key)
  if first_ms then next_ms = math.min(next_ms or first_ms, first_ms) end
end

-- Decide.
team.due_ms = hold_ms or 0
agenda_store.probe()

-- From here on nothing may fail.
agenda_store.write(ARG.team_id, next_ms)
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.GRANTED, next_ms or 0, team)
