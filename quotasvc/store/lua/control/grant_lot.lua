-- grant_lot: adds one lot to a pool, once: the same lot again is a replay.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local grant_store = require("lib.grant_store")
local ledger_store = require("lib.ledger_store")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return {OUTCOME.UNKNOWN, 0} end
local now = team_store.now(team, clock.now_ms)
local known, lots = grant_store.read(ARG.lot_id, now)
if known and known ~= ARG.info then return {OUTCOME.CONFLICT, now} end
if known then return {OUTCOME.REPLAYED, now} end
if lots >= BOUND.lots then return {OUTCOME.TOO_MANY, now} end
ledger_store.probe()

-- Decide.
team_store.count(team, now, true)

-- From here on nothing may fail.
grant_store.add(ARG.lot_id, ARG.member, ARG.expire_ms, ARG.nanos, ARG.info)
ledger_store.append(team, ARG.team_id, "grant", now, {
  "pool", ARG.pool, "lot", ARG.member, "nanos", ARG.nanos, "expire", ARG.expire_ms,
  "info", ARG.info,
})
team_store.save(KEY.team, team)
return {OUTCOME.GRANTED, now}
