-- commit: turns a hold into spend at the actual usage; an expired one is charged late.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local order_window = require("lib.order_window")
local plan_store = require("lib.plan_store")
local lot_store = require("lib.lot_store")
local lot_move_store = require("lib.lot_move_store")
local purge_store = require("lib.purge_store")
local ledger_store = require("lib.ledger_store")
local settlement = require("lib.settlement")
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
if state == STATE.COMMITTED and record.fields.settlement == ARG.settlement then
  return reply.record(OUTCOME.REPLAYED, now, {}, record.raw)
end
if state == STATE.COMMITTED or state == STATE.RELEASED then
  return reply.record(OUTCOME.SETTLED, now, {}, record.raw)
end
local refusal = gate.check(now, clock.now_ms)
if refusal then return {refusal, now} end
-- An expired hold is reaped before it is charged late: by its own script, then this one again.
if state == STATE.HELD and record_store.number(record, "expire") <= now then
  return {OUTCOME.REAP, now}
end
purge_store.probe()
ledger_store.probe()
local is_late = state == STATE.EXPIRED
local windows = order_window.list(ARG.windows)
local plan = plan_store.read(record, windows, now, is_late)
local legs = record_store.legs(record)
local pool = record_store.number(record, "pool")
if is_late then
  for _, leg in ipairs(legs) do leg.held = 0 end
end

-- Decide.
local actual, amount = ARG.actual, ARG.plan_amount
if ARG.as_reserved == 1 then
  actual = record_store.number(record, "cost")
  amount = record_store.number(record, "plan")
end
local share = settlement.share(plan, legs, actual, amount, plan.room)
local is_last_leg_plan, short = #legs == 0, share.pool_need
if pool > 0 and short > 0 and settlement.may_draw(plan, legs) then
  -- All legs must fit into one ledger entry: what more of them could pay is not drawn.
  local shares
  shares, short = lot_store.draw(short, now, BOUND.lots - #legs)
  settlement.add_shares(legs, shares)
end
local written_off = settlement.finish(share, plan, is_last_leg_plan, short)
written_off = written_off + settlement.clamp(share, plan)
plan_store.plan(plan, share, now)
lot_move_store.read(legs)
for _, leg in ipairs(legs) do
  lot_move_store.plan(leg, -leg.held, leg.charged, now)
end
local flat = {
  "state", STATE.COMMITTED, "settle", now, "settlement", ARG.settlement, "outcome", ARG.outcome,
  "actual", actual, "written_off", written_off, "keep", share.plan_kept, "over", share.plan_over,
  "plan_paid", share.plan_nanos, "late", is_late and 1 or 0, "commit_seq", team.seq + 1,
  "commit_gone", plan.is_gone and 1 or 0, "lots", #legs,
}
plan_store.put_slots(flat, plan)
for i, leg in ipairs(legs) do record_store.put_charge(flat, i, leg) end
team_store.count(team, now, true)
local entry = movement.commit(record, plan, share, legs, actual, written_off)
local answer =
  reply.record(OUTCOME.COMMITTED, now, reply.levels(plan.windows), record.raw, flat)

-- From here on nothing may fail.
plan_store.write(plan)
lot_move_store.write(legs)
record_store.save(KEY.record, flat)
purge_store.replace_hold(ARG.team_id, ARG.reservation_id, now + BOUND.settled_record_ms)
ledger_store.append(team, ARG.team_id, "commit", now, entry)
team_store.save(KEY.team, team)
return answer
