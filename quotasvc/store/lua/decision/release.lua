-- release: gives back a live hold whole; one that has gone back at its expiry is only marked.
local clock = require("lib.clock")
local team_store = require("lib.team_store")
local record_store = require("lib.record_store")
local limit_list = require("lib.limit_list")
local hold_store = require("lib.hold_store")
local token_store = require("lib.token_store")
local lot_move_store = require("lib.lot_move_store")
local purge_store = require("lib.purge_store")
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
if state == STATE.RELEASED then
  local number = record_store.number(record, FIELD.refunds, 0)
  return reply.record(OUTCOME.REPLAYED, now, team, {}, record.raw, {}, number)
end
if record_store.is_charged(record) then
  return reply.record(OUTCOME.CHARGED, now, team, {}, record.raw)
end
local refusal = gate.check(now, time)
if refusal then return reply.plain(refusal, now, team) end
if team_store.is_stale(team, ARG.team_version) then return reply.plain(OUTCOME.STALE, now, team) end
if state == STATE.HELD and record_store.expire_ms(record) <= now then
  return reply.plain(OUTCOME.REAP, now, team)
end
purge_store.probe()
local limits = limit_list.of(ARG.limits, KEY.limits)
local hold = {windows = {}, legs = {}}
if state == STATE.HELD then hold = hold_store.read(record, limits, now, false) end
token_store.plan(record, limits, now, -1)

-- Decide.
local lost = lot_move_store.lost(hold.legs)
local is_entry = lost.expired + lost.revoked > 0
team_store.count(team, now, is_entry)
local flat = {FIELD.state, STATE.RELEASED, FIELD.settle, now, FIELD.release_seq, team.seq}
local function note(name, value) record_store.put(flat, record, name, value) end
note(FIELD.released, state == STATE.HELD and 1 or 0)
note(FIELD.release_expired, lost.expired)
note(FIELD.release_revoked, lost.revoked)
note(FIELD.release_gone, hold.is_gone and 1 or 0)
local entry = movement.loss(record, hold.legs)
ledger_store.probe(entry)
local answer = reply.record(OUTCOME.RELEASED, now, team, {}, record.raw, flat)

-- From here on nothing may fail.
hold_store.write(hold)
token_store.write(limits, ARG.digest)
record_store.save(KEY.record, flat)
purge_store.replace_hold(ARG.team_id, ARG.reservation_id, now + BOUND.settled_record_ms)
if is_entry then ledger_store.append(team, ARG.team_id, "loss", now, entry) end
team_store.save(KEY.team, team)
return answer
