-- extend: lets a live hold live longer, and renews the leases of its slots; amounts stay.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local limit_list = require("lib.limit_list")
local lease_store = require("lib.lease_store")
local due_store = require("lib.due_store")
local gate = require("lib.gate")
local reply = require("lib.reply")

-- Load.
local team = team_store.read(KEY.team)
local record = record_store.read(KEY.record)
if team == nil or record == nil or record.id ~= ARG.short_id then
  return reply.plain(OUTCOME.UNKNOWN, 0, team)
end
local time = clock.read()
local now = team_store.now(team, time)
local state = record_store.number(record, FIELD.state)
if state == STATE.COMMITTED or state == STATE.RELEASED then
  return reply.record(OUTCOME.SETTLED, now, team, {}, record.raw)
end
local expire_ms = record_store.expire_ms(record)
if state == STATE.EXPIRED or expire_ms <= now then
  return reply.plain(OUTCOME.TOO_LATE, now, team)
end
local refusal = gate.check(now, time)
if refusal then return reply.plain(refusal, now, team) end
due_store.probe()
local limits = limit_list.of(ARG.limits, KEY.limits)

-- Decide. A hold ends before its slice leaves any sliding window that it counts in (SEM-51).
local admit_ms = record_store.number(record, FIELD.admit)
local last_ms = admit_ms + BOUND.extended_ms
for _, w in ipairs(limits) do
  if w.kind == KIND.SLOTS then lease_store.probe(w.key) end
  local is_charged = w.place < BOUND.gate and record_store.slot(record, FIELD.slot, w.place)
  if is_charged and w.kind == KIND.SLIDING then
    last_ms = math.min(last_ms, admit_ms + w.length_ms - w.slice_ms)
  end
end
expire_ms = math.max(expire_ms, math.min(now + ARG.hold_ms, last_ms))
team_store.count(team, now, false)

-- From here on nothing may fail.
for _, w in ipairs(limits) do
  if w.kind == KIND.SLOTS then
    lease_store.take(w.key, ARG.digest, math.min(expire_ms, now + BOUND.lease_ms), now)
  end
end
record_store.save(KEY.record, {FIELD.extended, expire_ms})
due_store.move_hold(ARG.reservation_id, expire_ms)
team_store.save(KEY.team, team)
return reply.record(OUTCOME.EXTENDED, now, team, {}, record.raw, {FIELD.extended, expire_ms})
