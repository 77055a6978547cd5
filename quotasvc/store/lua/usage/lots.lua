-- lots: a page of a pool's lots, in all their states at one moment. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local lot_page_store = require("lib.lot_page_store")
local waiting_store = require("lib.waiting_store")
local reply = require("lib.reply")

local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.STALE, 0) end
local now = team_store.now(team, clock.read())
if team_store.is_due(team, now) then return reply.plain(OUTCOME.REAP, now, team) end
if waiting_store.is_due(now) then return reply.plain(OUTCOME.ENTER, now, team) end
lot_page_store.probe()
if not lot_page_store.knows(ARG.after) then return reply.plain(OUTCOME.UNKNOWN, now, team) end
local members, further = lot_page_store.members(ARG.section, ARG.after, ARG.size, now)
return {OUTCOME.GRANTED, now, team.seq, lot_page_store.read(members), further}
