-- balance: what is open in a pool, and what it was granted and lost in all; spent lots, of which
-- there may be any number, are not looked at. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local balance_store = require("lib.balance_store")
local waiting_store = require("lib.waiting_store")
local reply = require("lib.reply")

local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.STALE, 0) end
local now = team_store.now(team, clock.read())
if team_store.is_due(team, now) then return reply.plain(OUTCOME.REAP, now, team) end
if waiting_store.is_due(now) then return reply.plain(OUTCOME.ENTER, now, team) end
return {OUTCOME.GRANTED, now, team.seq, balance_store.open(now)}
