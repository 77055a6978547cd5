-- put_team: replaces a team's document if nobody else has since it was read.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local document_store = require("lib.document_store")
local ledger_store = require("lib.ledger_store")
local reply = require("lib.reply")

-- Load. A team that does not exist has version 0.
local team = team_store.read(KEY.team) or
  {version = 0, seq = 0, entry = 0, clock_ms = 0, due_ms = 0}
if team.version ~= ARG.version then return reply.plain(OUTCOME.STALE, team.version, team) end
local now = team_store.now(team, clock.read())
ledger_store.probe()

-- Decide.
team_store.count(team, now, true)
team.version = team.version + 1

-- From here on nothing may fail.
document_store.write(team.version, ARG.document)
ledger_store.append(team, ARG.team_id, "team", now, {
  "version", team.version, "document", ARG.document,
})
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.GRANTED, team.version, team)
