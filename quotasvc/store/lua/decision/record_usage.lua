-- record_usage: charges usage that had no hold; whatever it is, somebody pays or it is written off.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local limit_list = require("lib.limit_list")
local limit_store = require("lib.limit_store")
local lot_store = require("lib.lot_store")
local lot_move_store = require("lib.lot_move_store")
local waiting_store = require("lib.waiting_store")
local purge_store = require("lib.purge_store")
local mark_store = require("lib.mark_store")
local ledger_store = require("lib.ledger_store")
local payer = require("lib.payer")
local admission = require("lib.admission")
local gate = require("lib.gate")
local request = require("lib.request")
local reply = require("lib.reply")
local report = require("lib.report")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.STALE, 0) end
local record = record_store.read(KEY.record)
local time = clock.read()
local now = team_store.now(team, time)
local known = request.known(record, now, team)
if known then return known end
local refusal = gate.check(now, time)
if refusal then return reply.plain(refusal, now, team) end
if team.version ~= ARG.team_version then return reply.plain(OUTCOME.STALE, now, team) end
if team_store.is_due(team, now) then return reply.plain(OUTCOME.REAP, now, team) end
-- The old reservation: one that is still here is committed instead, one that is gone is named once.
if ARG.old_id ~= "" then
  local old = record_store.read(KEY.old_record)
  if old and old.id == ARG.old_id then return reply.plain(OUTCOME.EXISTS, now, team) end
  if mark_store.read(KEY.mark) then return reply.plain(OUTCOME.TAKEN, now, team) end
end
purge_store.probe()
local limits = limit_list.of(ARG.limits, KEY.limits)
local room = limit_store.read(limits, now)

-- Decide. As a reservation would pay; else the plan's room, then the pool, then the plan absorbs.
local terms = {amount = ARG.plan_amount, straddle = ARG.straddle, split_min = ARG.split_min}
local is_plan, is_counted = terms.amount > 0, ARG.is_counted == 1
local share = is_plan and payer.plan_share(terms, room) or 0
local rest = is_plan and payer.rest(terms, share, ARG.cost) or ARG.cost
if ARG.pool > 0 and rest > 0 and waiting_store.is_due(now) then
  return reply.plain(OUTCOME.ENTER, now, team)
end
local function draw(need)
  if ARG.pool == 0 then return {}, need end
  return lot_store.draw(need, now, BOUND.legs, {})
end
local shares, short = draw(rest)
if short > 0 and is_plan and is_counted then
  shares, share, rest, short = {}, terms.amount, 0, 0
elseif short > 0 and is_plan then
  share = math.min(math.max(room, 0), ARG.cost)
  shares, short = draw(ARG.cost - share)
  share, short = share + short, 0
  rest = ARG.cost - share
end
local clamped = limit_store.clamp(limits, share)
local uncountable = is_counted and 0 or share - clamped
local written_off, plan_nanos = short + uncountable, ARG.cost - rest - uncountable
share = clamped
limit_store.plan(limits, share, 0)
local legs = lot_store.charges(shares)
lot_move_store.read(legs)
for _, leg in ipairs(legs) do lot_move_store.plan(leg, 0, leg.charged, now) end
team_store.count(team, now, true)
local flat = admission.fields(STATE.COMMITTED, now, team.seq, limits, share, plan_nanos, legs)
report.add_charge(flat, team, now, share, plan_nanos, written_off)
local windows = limit_store.charged(limits, share)
local entry = report.entry(windows, share, plan_nanos, legs, written_off)
ledger_store.probe(entry)
local answer = reply.record(OUTCOME.RECORDED, now, team, reply.levels(windows), {}, flat)

-- From here on nothing may fail.
limit_store.write(limits, "", 0, now)
lot_move_store.write(legs)
record_store.save(KEY.record, flat)
if ARG.old_id ~= "" then mark_store.write(KEY.mark, ARG.mark_id, ARG.digest) end
purge_store.keep(ARG.team_id, ARG.reservation_id, ARG.mark_id, now + BOUND.reported_record_ms)
ledger_store.append(team, ARG.team_id, "record", now, entry)
team_store.save(KEY.team, team)
return answer
