-- expire: reaps one hold whose time is over: all that it keeps goes back, or is charged until
-- somebody settles it, as its plan has it (SEM-30).
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local limit_list = require("lib.limit_list")
local hold_store = require("lib.hold_store")
local token_store = require("lib.token_store")
local purge_store = require("lib.purge_store")
local ledger_store = require("lib.ledger_store")
local gate = require("lib.gate")
local reply = require("lib.reply")
local lot_move_store = require("lib.lot_move_store")
local movement = require("lib.movement")

-- Load.
local team = team_store.read(KEY.team)
local record = record_store.read(KEY.record)
if team == nil or record == nil or record.id ~= ARG.short_id then
  return reply.plain(OUTCOME.UNKNOWN, 0, team)
end
local time = clock.read()
local now = team_store.now(team, time)
local expire_ms = record_store.expire_ms(record)
if record_store.number(record, FIELD.state) ~= STATE.HELD then
  -- Whoever settles it takes it off the list: it would stay due, and its team with it.
  if purge_store.is_hold(ARG.reservation_id) then
    error({err = "CORRUPT " .. record.key .. " a settled record is listed as a hold"})
  end
  return reply.plain(OUTCOME.SETTLED, now, team)
end
if expire_ms > now then return reply.plain(OUTCOME.TOO_EARLY, now, team) end
-- Asked for by a clock on the other side of midnight, the hold would miss its day.
local refusal = gate.check(now, time)
if refusal then return reply.plain(refusal, now, team) end
purge_store.probe()
local is_charged = ARG.is_charged == 1 and record_store.amount(record, FIELD.cost) > 0
local limits = limit_list.of(ARG.limits, KEY.limits)
local hold = hold_store.read(record, limits, now, is_charged)
token_store.plan(record, limits, now, -1)

-- Decide.
local lost = lot_move_store.lost(hold.legs)
local is_entry = is_charged or lost.expired + lost.revoked > 0
team_store.count(team, now, is_entry)
local flat = {FIELD.state, STATE.EXPIRED, FIELD.expire_seq, team.seq}
if is_charged then
  local function note(name, value) record_store.put(flat, record, name, value) end
  note(FIELD.provisional, 1)
  note(FIELD.actual, record_store.amount(record, FIELD.cost))
  local plan_nanos = record_store.amount(record, FIELD.plan_nanos, hold.plan)
  record_store.put(flat, record, FIELD.plan_paid, plan_nanos, hold.plan)
end
local entry = is_charged and movement.expire(record, hold) or movement.loss(record, hold.legs)
ledger_store.probe(entry)

-- From here on nothing may fail.
hold_store.write(hold)
token_store.write(limits, ARG.digest)
record_store.save(KEY.record, flat)
purge_store.replace_hold(ARG.team_id, ARG.reservation_id, expire_ms + BOUND.expired_record_ms)
if is_entry then
  ledger_store.append(team, ARG.team_id, is_charged and "expire" or "loss", now, entry)
end
team_store.save(KEY.team, team)
return reply.plain(OUTCOME.EXPIRED, now, team)
