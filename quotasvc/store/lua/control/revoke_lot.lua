-- revoke_lot: takes back what is available of a grant, in all its lots at once; what comes back to
-- them later is revoked too.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local revoke_store = require("lib.revoke_store")
local ledger_store = require("lib.ledger_store")
local sum_store = require("lib.sum_store")
local agenda_store = require("lib.agenda_store")
local lot_change = require("lib.lot_change")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
local now = team_store.now(team, clock.read())
local lots, is_known = revoke_store.read(ARG.lot_id, now)
if not is_known then return reply.plain(OUTCOME.UNKNOWN, now, team) end
if #lots == 0 then return reply.plain(OUTCOME.REPLAYED, now, team) end
ledger_store.probe()
sum_store.probe(KEY.pool_sums)
agenda_store.probe()

-- Decide.
team_store.count(team, now, true)
local entry = lot_change.entry(lots, function() return "revoked" end)

-- From here on nothing may fail.
revoke_store.write(lots)
for _, one in ipairs(lots) do sum_store.add(KEY.pool_sums, "revoked", one.nanos) end
-- The place may be one that others wait for.
agenda_store.bring_forward(ARG.team_id, now)
ledger_store.append(team, ARG.team_id, "revoke", now, entry)
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.GRANTED, now, team)
