-- expire: reaps one hold whose time is over: all that it keeps goes back.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local order_window = require("lib.order_window")
local hold_store = require("lib.hold_store")
local purge_store = require("lib.purge_store")
local ledger_store = require("lib.ledger_store")
local gate = require("lib.gate")
local lot_move_store = require("lib.lot_move_store")
local movement = require("lib.movement")

-- Load.
local team = team_store.read(KEY.team)
local record = record_store.read(KEY.record)
if team == nil or record == nil or record.fields.id ~= ARG.reservation_id then
  return {OUTCOME.UNKNOWN, 0}
end
local now = team_store.now(team, clock.now_ms)
local expire_ms = record_store.number(record, "expire")
if record_store.number(record, "state") ~= STATE.HELD then return {OUTCOME.SETTLED, now} end
if expire_ms > now then return {OUTCOME.TOO_EARLY, now} end
-- Asked for by a clock on the other side of midnight, the hold would miss its day.
local refusal = gate.check(now, clock.now_ms)
if refusal then return {refusal, now} end
purge_store.probe()
ledger_store.probe()
local hold = hold_store.read(record, order_window.list(ARG.windows), now)

-- Decide.
local lost = lot_move_store.lost(hold.legs)
local is_entry = lost.expired + lost.revoked > 0
team_store.count(team, now, is_entry)

-- From here on nothing may fail.
hold_store.give_back(hold)
record_store.save(KEY.record, {"state", STATE.EXPIRED, "expire_seq", team.seq})
purge_store.replace_hold(ARG.team_id, ARG.reservation_id, expire_ms + BOUND.expired_record_ms)
if is_entry then
  ledger_store.append(team, ARG.team_id, "loss", now, movement.loss(record, hold.legs))
end
team_store.save(KEY.team, team)
return {OUTCOME.EXPIRED, now}
