-- grant_lot: adds a lot to a pool, once: the same lot again is a replay. What is more than one lot
-- can count comes as several.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local grant_store = require("lib.grant_store")
local waiting_store = require("lib.waiting_store")
local ledger_store = require("lib.ledger_store")
local sum_store = require("lib.sum_store")
local agenda_store = require("lib.agenda_store")
local flat = require("lib.flat")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
local now = team_store.now(team, clock.read())
local lots = grant_store.lots(ARG.lots)
grant_store.probe()
agenda_store.probe()
local is_known, is_same = grant_store.compare(lots)
if is_known and not is_same then return reply.plain(OUTCOME.CONFLICT, now, team) end
if is_known then return reply.plain(OUTCOME.REPLAYED, now, team) end
if waiting_store.is_due(now) then return reply.plain(OUTCOME.ENTER, now, team) end
local open = waiting_store.open(now)
if ARG.is_paid == 0 and open + #lots > BOUND.unpaid_lots then
  return reply.plain(OUTCOME.TOO_MANY, now, team)
end
sum_store.probe(KEY.pool_sums)

-- Decide.
team_store.count(team, now, true)
local entry = {"pool", ARG.pool, "expire", ARG.expire_ms}
for i, one in ipairs(lots) do
  one.is_waiting = open + i > BOUND.lots
  flat.add(entry, "lot", one.member, "granted", one.nanos, "info", one.info)
end
ledger_store.probe(entry)

-- From here on nothing may fail.
for _, one in ipairs(lots) do
  grant_store.add(one, ARG.expire_ms, now, one.is_waiting)
  sum_store.add(KEY.pool_sums, "granted", one.nanos)
end
if ARG.expire_ms > 0 then agenda_store.bring_forward(ARG.team_id, ARG.expire_ms) end
ledger_store.append(team, ARG.team_id, "grant", now, entry)
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.GRANTED, now, team)
