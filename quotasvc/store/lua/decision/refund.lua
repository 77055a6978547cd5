-- refund: gives back a part of what a commit charged, or all of what an expiry did; each refund once.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local limit_list = require("lib.limit_list")
local charge_store = require("lib.charge_store")
local lot_move_store = require("lib.lot_move_store")
local refund_list = require("lib.refund_list")
local purge_list_store = require("lib.purge_list_store")
local ledger_store = require("lib.ledger_store")
local gate = require("lib.gate")
local reply = require("lib.reply")
local movement = require("lib.movement")

-- Load.
local team = team_store.read(KEY.team)
local record = record_store.read(KEY.record)
if team == nil or record == nil or record.id ~= ARG.short_id then
  return reply.plain(OUTCOME.UNKNOWN, 0, team)
end
local time = clock.read()
local now = team_store.now(team, time)
local state = record_store.number(record, FIELD.state)
local is_provisional =
  state == STATE.EXPIRED and record_store.number(record, FIELD.provisional, 0) == 1
-- A hold, or one that went back at its expiry, is not refunded but released.
if state ~= STATE.COMMITTED and not is_provisional then
  return reply.record(OUTCOME.UNCHARGED, now, team, {}, record.raw)
end
local count, known, is_same = refund_list.find(record, ARG.refund_id, ARG.scope)
if state == STATE.COMMITTED then
  if ARG.refund_id == "" then return reply.record(OUTCOME.SETTLED, now, team, {}, record.raw) end
  if known and is_same then
    return reply.record(OUTCOME.REPLAYED, now, team, {}, record.raw, {}, known)
  end
  if known then return reply.plain(OUTCOME.CONFLICT, now, team) end
  if count >= BOUND.refunds then return reply.plain(OUTCOME.TOO_MANY, now, team) end
  if ARG.kind == REFUND.USAGE and count ~= ARG.seen then
    return reply.record(OUTCOME.PRICE, now, team, {}, record.raw)
  end
end
local refusal = gate.check(now, time)
if refusal then return reply.plain(refusal, now, team) end
if team_store.is_stale(team, ARG.team_version) then return reply.plain(OUTCOME.STALE, now, team) end
purge_list_store.probe()
local sums = charge_store.sums(record)

-- Decide.
local is_counted = ARG.is_counted == 1 and record_store.amount(record, FIELD.plan) > 0
local nanos, units = sums.left, is_counted and sums.units - sums.units_back or nil
if state == STATE.COMMITTED then
  if ARG.kind == REFUND.AMOUNT and is_counted then
    return reply.plain(OUTCOME.COUNTED, now, team)
  end
  if ARG.kind == REFUND.AMOUNT then nanos = ARG.nanos end
  if ARG.kind == REFUND.USAGE then
    nanos = math.min(ARG.nanos, sums.left)
    units = is_counted and math.min(ARG.units, sums.units - sums.units_back) or nil
  end
  local is_nothing = ARG.kind == REFUND.ALL and sums.left == 0 and count > 0
  if nanos > sums.left or is_nothing then return reply.plain(OUTCOME.EXCEEDS, now, team) end
end
local back =
  charge_store.plan(record, sums, limit_list.of(ARG.limits, KEY.limits), now, nanos, units)
local lost = lot_move_store.lost(back.legs)
team_store.count(team, now, true)
local flat = refund_list.fields(record, team, count + 1, sums, back, lost)
if is_provisional then
  record_store.put(flat, record, FIELD.state, STATE.RELEASED)
  record_store.put(flat, record, FIELD.settle, now)
end
local entry = movement.refund(record, back)
ledger_store.probe(entry)
local answer = reply.record(OUTCOME.REFUNDED, now, team, {}, record.raw, flat, count + 1)

-- From here on nothing may fail.
charge_store.write(back)
record_store.save(KEY.record, flat)
-- This refund too is replayed as long as any settlement.
purge_list_store.extend(ARG.reservation_id, now + BOUND.settled_record_ms)
ledger_store.append(team, ARG.team_id, "refund", now, entry)
team_store.save(KEY.team, team)
return answer
