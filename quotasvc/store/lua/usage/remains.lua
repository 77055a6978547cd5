-- remains: how the windows of a seat stand now. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local window_store = require("lib.window_store")
local limit_list = require("lib.limit_list")
local gate = require("lib.gate")
local reply = require("lib.reply")

local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.STALE, 0) end
local time = clock.read()
local now = team_store.now(team, time)
local refusal = gate.check(now, time)
if refusal then return reply.plain(refusal, now, team) end
if team.version ~= ARG.team_version then return reply.plain(OUTCOME.STALE, now, team) end
if team_store.is_due(team, now) then return reply.plain(OUTCOME.REAP, now, team) end
local limits = limit_list.of(ARG.limits, KEY.limits)
for _, w in ipairs(limits) do window_store.read(w, now) end
return {OUTCOME.GRANTED, now, team.seq, reply.levels(limits)}
