-- enter: lets waiting lots into the order of a pool, while there are places for them (SEM-24).
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local entry_store = require("lib.entry_store")
local ledger_store = require("lib.ledger_store")
local sum_store = require("lib.sum_store")
local lot_change = require("lib.lot_change")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
local now = team_store.now(team, clock.read())
sum_store.probe(KEY.pool_sums)
local lots = entry_store.next(now)
if #lots == 0 then return reply.plain(OUTCOME.GRANTED, now, team) end

-- Decide.
team_store.count(team, now, true)
local entry = lot_change.entry(lots, function(one) return one.is_over and "expired" or "entered" end)
ledger_store.probe(entry)

-- From here on nothing may fail.
entry_store.enter(lots)
for _, one in ipairs(lots) do
  if one.is_over then sum_store.add(KEY.pool_sums, "expired", one.nanos) end
end
ledger_store.append(team, ARG.team_id, "enter", now, entry)
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.GRANTED, now, team)
