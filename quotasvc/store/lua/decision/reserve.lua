-- reserve: holds a request's cost against all its windows and lots, or says what is short.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local window_store = require("lib.window_store")
local order_window = require("lib.order_window")
local lot_store = require("lib.lot_store")
local returnable_store = require("lib.returnable_store")
local due_store = require("lib.due_store")
local window = require("lib.window")
local payer = require("lib.payer")
local gate = require("lib.gate")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
local record = record_store.read(KEY.record)
if team == nil then return {OUTCOME.STALE, 0} end
local now = team_store.now(team, clock.now_ms)
if record then
  if record.fields.content ~= ARG.content then return {OUTCOME.CONFLICT, now} end
  return reply.record(OUTCOME.REPLAYED, now, {}, record.raw)
end
local refusal = gate.check(now, clock.now_ms)
if refusal then return {refusal, now} end
if team.version ~= ARG.team_version then return {OUTCOME.STALE, now} end
if team.due_ms > 0 and team.due_ms <= now then return {OUTCOME.REAP, now} end
due_store.probe()
local windows = order_window.list(ARG.windows)
local room = BOUND.amount
for i, w in ipairs(windows) do
  room = math.min(room, window.room(window_store.read(KEY.windows[i], w, now)))
end

-- Decide.
local plan = {amount = ARG.plan_amount, straddle = ARG.straddle, split_min = ARG.split_min}
local share, rest = 0, ARG.cost
if plan.amount > 0 then
  share = payer.plan_share(plan, room)
  rest = payer.rest(plan, share, ARG.cost)
end
local shares, short = {}, rest
if ARG.pool > 0 and rest > 0 then shares, short = lot_store.draw(rest, now, BOUND.lots) end
if short > 0 then
  -- What the pool could give of the whole cost, for saying when the plan alone would do.
  local available, held = 0, 0
  if ARG.pool > 0 then
    local _, missing = lot_store.draw(ARG.cost, now, BOUND.lots)
    available, held = ARG.cost - missing, returnable_store.sum(now)
  end
  local fits = {}
  for i, w in ipairs(windows) do
    local need = payer.plan_need(plan, ARG.cost, available)
    fits[i] = window.fits_ms(w, need, window_store.slices(KEY.windows[i], w, now))
  end
  return {OUTCOME.SHORT, now, team.seq, available, held, reply.levels(windows, fits)}
end
lot_store.read_held(shares)
local is_check = ARG.check_only == 1
local expire_ms, seq = now + ARG.hold_ms, team.seq + (is_check and 0 or 1)
local flat = {
  "id", ARG.reservation_id, "content", ARG.content, "state", STATE.HELD, "admit", now,
  "expire", expire_ms, "seq", seq, "cost", ARG.cost, "pool", ARG.pool,
  "plan", share, "plan_nanos", ARG.cost - rest, "lots", #shares,
}
for _, w in ipairs(windows) do
  if share > 0 then
    window.move(w, now, share, share)
    record_store.put_slot(flat, "w", w.place, w.slot)
  end
end
for i, one in ipairs(shares) do
  record_store.put_leg(flat, i, {member = one.member, expire_ms = one.expire_ms, held = one.nanos})
end
local answer = reply.record(OUTCOME.GRANTED, now, reply.levels(windows), {}, flat)
if is_check then return answer end

-- From here on nothing may fail.
for i, w in ipairs(windows) do window_store.write(KEY.windows[i], w) end
lot_store.take(shares)
record_store.save(KEY.record, flat)
team_store.count(team, now, false)
due_store.add_hold(team, ARG.team_id, ARG.reservation_id, expire_ms)
team_store.save(KEY.team, team)
return answer
