-- revoke_lot: takes back what is available of a lot; what comes back to it later is revoked too.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local revoke_store = require("lib.revoke_store")
local ledger_store = require("lib.ledger_store")
local sum_store = require("lib.sum_store")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
local now = team_store.now(team, clock.read())
local lot = revoke_store.read(ARG.lot_id, now)
if lot == nil then return reply.plain(OUTCOME.UNKNOWN, now, team) end
if lot.is_revoked then return reply.plain(OUTCOME.REPLAYED, now, team) end
ledger_store.probe()
sum_store.probe(KEY.pool_sums)

-- Decide. What had expired by now is not revoked any more: its end is booked as any other.
team_store.count(team, now, true)
local nanos = lot.is_over and 0 or lot.nanos

-- From here on nothing may fail.
revoke_store.write(lot, ARG.member, nanos)
sum_store.add(KEY.pool_sums, "revoked", nanos)
ledger_store.append(team, ARG.team_id, "revoke", now, {"lot", ARG.member, "revoked", nanos})
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.GRANTED, now, team)
