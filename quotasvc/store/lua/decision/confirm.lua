-- confirm: whether a refusal that needs no look at any balance may be given: its request is not known,
-- the clocks agree, and the team is the one that it was compiled for. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local gate = require("lib.gate")
local request = require("lib.request")
local reply = require("lib.reply")

local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.STALE, 0) end
local record = record_store.read(KEY.record)
local time = clock.read()
local now = team_store.now(team, time)
local known = request.known(record, now, team)
if known then return known end
local refusal = gate.check(now, time)
if refusal then return reply.plain(refusal, now, team) end
if team.version ~= ARG.team_version then return reply.plain(OUTCOME.STALE, now, team) end
return reply.plain(OUTCOME.UNKNOWN, now, team)
