-- lots: everything that a pool holds, in all its states at one moment. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local pool_store = require("lib.pool_store")

local team = team_store.read(KEY.team)
if team == nil then return {OUTCOME.STALE, 0} end
local now = team_store.now(team, clock.now_ms)
if team.due_ms > 0 and team.due_ms <= now then return {OUTCOME.REAP, now} end
return {OUTCOME.GRANTED, now, pool_store.read()}
