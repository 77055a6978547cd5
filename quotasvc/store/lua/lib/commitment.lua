-- commitment: what a commit finds of its hold, and what it leaves in the record.
local plan_store = require("lib.plan_store")
local record_store = require("lib.record_store")
local leg_list = require("lib.leg_list")

local commitment = {}

-- What each leg still keeps (`kept`), and what an expiry has charged it already (`was`). A hold that
-- went back at its expiry keeps nothing: it is charged anew (SEM-31).
function commitment.begin(plan, legs, is_late, is_provisional)
  for _, leg in ipairs(legs) do
    leg.kept = is_late and 0 or leg.held
    leg.was = is_provisional and leg.held or nil
    if is_late and not is_provisional then leg.held = 0 end
  end
  plan.was = is_provisional and plan.held or nil
end

-- The legs whose lots a commit moves: not those that had gone back and are not charged anew.
function commitment.moving(legs)
  local moving = {}
  for _, leg in ipairs(legs) do
    if leg.charged > 0 or leg.kept > 0 or leg.was then moving[#moving + 1] = leg end
  end
  return moving
end

-- The fields that a commit adds.
function commitment.fields(record, team, now, plan, share, legs, actual, written_off)
  local flat = {FIELD.state, STATE.COMMITTED, FIELD.settle, now, FIELD.settlement, ARG.settlement}
  local function note(name, value) record_store.put(flat, record, name, value) end
  note(FIELD.outcome, ARG.outcome)
  note(FIELD.rates, ARG.rates)
  if ARG.as_reserved == 0 then note(FIELD.usage, ARG.usage) end
  note(FIELD.actual, actual)
  note(FIELD.written_off, written_off)
  record_store.put(flat, record, FIELD.keep, share.plan_kept, record_store.amount(record, FIELD.plan))
  note(FIELD.over, share.plan_over)
  record_store.put(
    flat, record, FIELD.plan_paid, share.plan_nanos, share.plan_kept + share.plan_over
  )
  note(FIELD.provisional, 0)
  note(FIELD.commit_seq, team.seq)
  note(FIELD.commit_gone, plan.is_gone and 1 or 0)
  note(FIELD.lots, #legs)
  plan_store.put_slots(flat, plan, share.plan_over)
  for i, leg in ipairs(legs) do leg_list.put(flat, record, i, leg) end
  return flat
end

return commitment
