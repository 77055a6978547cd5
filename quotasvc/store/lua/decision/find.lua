-- find: the record of a request, and the store's time, by which its state is judged. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local reply = require("lib.reply")

local team = team_store.read(KEY.team)
local record = record_store.read(KEY.record)
if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
local now = team_store.now(team, clock.read())
if record == nil then return reply.plain(OUTCOME.UNKNOWN, now, team) end
return reply.record(OUTCOME.FOUND, now, team, {}, record.raw)
