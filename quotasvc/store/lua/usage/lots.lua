-- lots: everything that a pool holds, in all its states at one moment. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local pool_store = require("lib.pool_store")
local waiting_store = require("lib.waiting_store")
local reply = require("lib.reply")

local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.STALE, 0) end
local now = team_store.now(team, clock.read())
if team_store.is_due(team, now) then return reply.plain(OUTCOME.REAP, now, team) end
if waiting_store.is_due(now) then return reply.plain(OUTCOME.ENTER, now, team) end
return {OUTCOME.GRANTED, now, team.seq, pool_store.read()}
