-- book: books the end of lots whose time is over: available becomes expired (SEM-22).
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local expiry_store = require("lib.expiry_store")
local ledger_store = require("lib.ledger_store")
local sum_store = require("lib.sum_store")
local lot_change = require("lib.lot_change")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
local now = team_store.now(team, clock.read())
local lots = expiry_store.read(now)
if #lots == 0 then return reply.plain(OUTCOME.TOO_EARLY, now, team) end
sum_store.probe(KEY.pool_sums)

-- Decide.
team_store.count(team, now, true)
local entry = lot_change.entry(lots, function() return "expired" end)
ledger_store.probe(entry)

-- From here on nothing may fail.
expiry_store.write(lots)
for _, one in ipairs(lots) do sum_store.add(KEY.pool_sums, "expired", one.nanos) end
ledger_store.append(team, ARG.team_id, "expiry", now, entry)
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.BOOKED, now, team)
