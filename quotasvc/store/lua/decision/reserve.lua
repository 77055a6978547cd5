-- reserve: holds a request's cost against all its limits and lots, or says what is short.
--
-- In mode WHAT_IF the question is asked of things as they would stand ahead_ms later if nothing else
-- happened: holds stay counted, lots stay as they are; leases, slices and instances end.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local limit_list = require("lib.limit_list")
local limit_store = require("lib.limit_store")
local lot_store = require("lib.lot_store")
local waiting_store = require("lib.waiting_store")
local returnable_store = require("lib.returnable_store")
local due_store = require("lib.due_store")
local payer = require("lib.payer")
local admission = require("lib.admission")
local gate = require("lib.gate")
local request = require("lib.request")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
if team == nil then return reply.plain(OUTCOME.STALE, 0) end
local record = record_store.read(KEY.record)
local time = clock.read()
local now = team_store.now(team, time)
local known = request.known(record, now, team)
if known then return known end
local at = now + ARG.ahead_ms
local refusal = gate.check(at, time)
if refusal then return reply.plain(refusal, now, team) end
if team.version ~= ARG.team_version then return reply.plain(OUTCOME.STALE, now, team) end
local is_what_if = ARG.mode == MODE.WHAT_IF
if not is_what_if and team_store.is_due(team, now) then
  return reply.plain(OUTCOME.REAP, now, team)
end
due_store.probe()
local limits = limit_list.of(ARG.limits, KEY.limits)
local room, is_open = limit_store.read(limits, at)

-- Decide.
local plan = {amount = ARG.plan_amount, straddle = ARG.straddle, split_min = ARG.split_min}
local share, rest = 0, ARG.cost
if plan.amount > 0 then
  share = payer.plan_share(plan, room)
  rest = payer.rest(plan, share, ARG.cost)
end
local shares, short = {}, rest
if ARG.pool > 0 and rest > 0 then
  if not is_what_if and waiting_store.is_due(now) then
    return reply.plain(OUTCOME.ENTER, now, team)
  end
  shares, short = lot_store.draw(rest, now, BOUND.legs, {})
end
if short > 0 or not is_open then
  -- What the pool could give of the whole cost, for saying when the plan alone would do: nothing is
  -- left of it where something is short.
  local available, held, plan_need = 0, 0, 0
  if short > 0 then
    if ARG.pool > 0 then available, held = rest - short, returnable_store.sum(now) end
    plan_need = payer.plan_need(plan, ARG.cost, available)
  end
  local fits, is_ahead = limit_store.fits(limits, plan_need, at)
  return {
    OUTCOME.SHORT, now, team.seq, reply.levels(limits, fits), available, held,
    short > 0 and 1 or 0, is_ahead and 1 or 0,
  }
end
lot_store.read_held(shares)
local is_check = ARG.mode ~= MODE.NORMAL
local expire_ms, seq = now + ARG.hold_ms, team.seq + (is_check and 0 or 1)
local lease_ms = math.min(expire_ms, now + BOUND.lease_ms)
limit_store.plan(limits, share, share, lease_ms)
local flat =
  admission.fields(STATE.HELD, now, seq, limits, share, ARG.cost - rest, lot_store.legs(shares))
record_store.put(flat, nil, FIELD.hold, ARG.hold_ms)
local answer =
  reply.record(OUTCOME.GRANTED, now, team, reply.levels(limits), {}, flat)
if is_check then return answer end

-- From here on nothing may fail.
limit_store.write(limits, ARG.digest, lease_ms, now)
lot_store.take(shares)
record_store.save(KEY.record, flat)
team_store.count(team, now, false)
due_store.add_hold(team, ARG.team_id, ARG.reservation_id, expire_ms)
team_store.save(KEY.team, team)
return answer
