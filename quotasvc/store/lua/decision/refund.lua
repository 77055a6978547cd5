-- refund: gives back a live hold wholly, or what a commit charged.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local order_window = require("lib.order_window")
local hold_store = require("lib.hold_store")
local charge_store = require("lib.charge_store")
local lot_move_store = require("lib.lot_move_store")
local purge_store = require("lib.purge_store")
local ledger_store = require("lib.ledger_store")
local gate = require("lib.gate")
local reply = require("lib.reply")
local movement = require("lib.movement")

-- Load.
local team = team_store.read(KEY.team)
local record = record_store.read(KEY.record)
if team == nil or record == nil then return {OUTCOME.UNKNOWN, 0} end
if record.fields.id ~= ARG.reservation_id then return {OUTCOME.UNKNOWN, 0} end
local now = team_store.now(team, clock.now_ms)
local state = record_store.number(record, "state")
if state == STATE.RELEASED then return reply.record(OUTCOME.REPLAYED, now, {}, record.raw) end
if state == STATE.COMMITTED then
  if ARG.refund_id == "" then return reply.record(OUTCOME.SETTLED, now, {}, record.raw) end
  if record.fields.refund == ARG.refund_id then
    return reply.record(OUTCOME.REPLAYED, now, {}, record.raw)
  end
  if record.fields.refund then return {OUTCOME.EXCEEDS, now} end
end
local refusal = gate.check(now, clock.now_ms)
if refusal then return {refusal, now} end
if state == STATE.HELD and record_store.number(record, "expire") <= now then
  return {OUTCOME.REAP, now}
end
purge_store.probe()
ledger_store.probe()
local windows = order_window.list(ARG.windows)
local back
if state == STATE.HELD then back = hold_store.read(record, windows, now) end
if state == STATE.COMMITTED then back = charge_store.read(record, windows, now) end

-- Decide. An expired hold has already gone back: it is only marked.
local flat = {"state", state == STATE.COMMITTED and state or STATE.RELEASED}
local function note(name, value)
  flat[#flat + 1] = name
  flat[#flat + 1] = value
end
local lost = lot_move_store.lost(back and back.legs or {})
local is_entry = state == STATE.COMMITTED or lost.expired + lost.revoked > 0
team_store.count(team, now, is_entry)
note("refund_seq", team.seq)
note("refund_expired", lost.expired)
note("refund_revoked", lost.revoked)
note("refund_gone", back and back.is_gone and 1 or 0)
if state == STATE.COMMITTED then
  note("refund", ARG.refund_id)
  note("refunded", back.nanos)
else
  note("settle", now)
  note("released", state == STATE.HELD and 1 or 0)
end
local answer = reply.record(OUTCOME.REFUNDED, now, {}, record.raw, flat)

-- From here on nothing may fail.
if state == STATE.HELD then hold_store.give_back(back) end
if state == STATE.COMMITTED then charge_store.give_back(back) end
record_store.save(KEY.record, flat)
if state ~= STATE.COMMITTED then
  purge_store.replace_hold(ARG.team_id, ARG.reservation_id, now + BOUND.settled_record_ms)
end
if state == STATE.COMMITTED then
  ledger_store.append(team, ARG.team_id, "refund", now, movement.refund(record, back))
elseif is_entry then
  ledger_store.append(team, ARG.team_id, "loss", now, movement.loss(record, back.legs))
end
team_store.save(KEY.team, team)
return answer
