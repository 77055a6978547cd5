-- remains: how the windows of a seat stand now. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local window_store = require("lib.window_store")
local order_window = require("lib.order_window")
local gate = require("lib.gate")
local reply = require("lib.reply")

local team = team_store.read(KEY.team)
if team == nil then return {OUTCOME.STALE, 0} end
local now = team_store.now(team, clock.now_ms)
local refusal = gate.check(now, clock.now_ms)
if refusal then return {refusal, now} end
if team.version ~= ARG.team_version then return {OUTCOME.STALE, now} end
if team.due_ms > 0 and team.due_ms <= now then return {OUTCOME.REAP, now} end
local windows = order_window.list(ARG.windows)
for i, w in ipairs(windows) do window_store.read(KEY.windows[i], w, now) end
return {OUTCOME.GRANTED, now, reply.levels(windows)}
