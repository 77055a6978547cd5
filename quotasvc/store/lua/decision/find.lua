-- find: the record of a request, and the store's time, by which its state is judged. Writes nothing.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local reply = require("lib.reply")

local team = team_store.read(KEY.team)
local record = record_store.read(KEY.record)
if team == nil or record == nil then return {OUTCOME.UNKNOWN, 0} end
return reply.record(OUTCOME.FOUND, team_store.now(team, clock.now_ms), {}, record.raw)
