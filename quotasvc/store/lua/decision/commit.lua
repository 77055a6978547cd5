-- commit: turns a hold into spend at the actual usage; an expired one is charged late.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local leg_list = require("lib.leg_list")
local limit_list = require("lib.limit_list")
local plan_store = require("lib.plan_store")
local token_store = require("lib.token_store")
local lot_store = require("lib.lot_store")
local lot_move_store = require("lib.lot_move_store")
local waiting_store = require("lib.waiting_store")
local purge_store = require("lib.purge_store")
local ledger_store = require("lib.ledger_store")
local settlement = require("lib.settlement")
local commitment = require("lib.commitment")
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
if state == STATE.COMMITTED and record.fields[FIELD.settlement] == ARG.settlement then
  return reply.record(OUTCOME.REPLAYED, now, team, {}, record.raw)
end
if state == STATE.COMMITTED or state == STATE.RELEASED then
  return reply.record(OUTCOME.SETTLED, now, team, {}, record.raw)
end
local refusal = gate.check(now, time)
if refusal then return reply.plain(refusal, now, team) end
if team_store.is_stale(team, ARG.team_version) then return reply.plain(OUTCOME.STALE, now, team) end
-- What has expired is reaped before anything is charged: this hold, which is then charged late, and
-- any other, which would take room from what this one needs beyond its own (SEM-30).
if team_store.is_due(team, now) or (state == STATE.HELD and record_store.expire_ms(record) <= now) then
  return reply.plain(OUTCOME.REAP, now, team)
end
purge_store.probe()
local is_late = state == STATE.EXPIRED
local is_provisional = record_store.number(record, FIELD.provisional, 0) == 1
local limits = limit_list.of(ARG.limits, KEY.limits)
local plan = plan_store.read(record, limits, now, is_late, is_provisional)
local legs = leg_list.of(record)
commitment.begin(plan, legs, is_late, is_provisional)

-- Decide.
local actual, amount = ARG.actual, ARG.plan_amount
if ARG.as_reserved == 1 then
  actual = record_store.amount(record, FIELD.cost)
  amount = record_store.amount(record, FIELD.plan)
end
local share = settlement.share(plan, legs, actual, amount, plan.room)
local is_last_leg_plan, short = #legs == 0, share.pool_need
if record_store.amount(record, FIELD.pool) > 0 and short > 0 and settlement.may_draw(plan, legs) then
  if waiting_store.is_due(now) then return reply.plain(OUTCOME.ENTER, now, team) end
  -- All legs must fit into one ledger entry: what more of them could pay is not drawn.
  local charged, count = settlement.charged(legs)
  local shares
  shares, short = lot_store.draw(short, now, BOUND.legs - count, charged)
  settlement.add_shares(legs, shares)
end
local written_off = settlement.finish(share, plan, is_last_leg_plan, short)
written_off = written_off + settlement.clamp(share, plan)
plan_store.plan(plan, share)
token_store.plan(record, limits, now, ARG.as_reserved == 1 and -1 or ARG.tokens)
local moving = commitment.moving(legs)
lot_move_store.read(moving)
for _, leg in ipairs(moving) do
  lot_move_store.plan(leg, -leg.kept, leg.charged - (leg.was or 0), now)
end
team_store.count(team, now, true)
local flat = commitment.fields(record, team, now, plan, share, legs, actual, written_off)
record_store.put(flat, record, FIELD.late, is_late and 1 or 0)
local entry = movement.commit(record, plan, share, moving, actual, written_off)
ledger_store.probe(entry)
local answer =
  reply.record(OUTCOME.COMMITTED, now, team, reply.levels(plan.windows), record.raw, flat)

-- From here on nothing may fail.
plan_store.write(plan)
token_store.write(limits, ARG.digest)
lot_move_store.write(moving)
record_store.save(KEY.record, flat)
purge_store.replace_hold(ARG.team_id, ARG.reservation_id, now + BOUND.settled_record_ms)
ledger_store.append(team, ARG.team_id, "commit", now, entry)
team_store.save(KEY.team, team)
return answer
