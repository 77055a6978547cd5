-- report: what is written of usage that was charged without a hold: fields of its record, and what
-- the ledger says of it.
local record_store = require("lib.record_store")
local flat = require("lib.flat")

local report = {}

-- Adds to the fields of a new record what was charged. `plan` is what the plan's windows count.
function report.add_charge(fields, team, now, plan, plan_nanos, written_off)
  local function note(name, value) record_store.put(fields, nil, name, value) end
  note(FIELD.settle, now)
  note(FIELD.outcome, ARG.outcome)
  note(FIELD.actual, ARG.cost)
  note(FIELD.written_off, written_off)
  record_store.put(fields, nil, FIELD.plan_paid, plan_nanos, plan)
  note(FIELD.commit_seq, team.seq)
  note(FIELD.mark, ARG.mark_id)
end

-- The entry: what each window and each lot was charged, of what price, and what nobody paid.
function report.entry(windows, plan, plan_nanos, legs, written_off)
  local words = {
    "id", ARG.reservation_id, "plan", plan, "over", 0, "plan_nanos", plan_nanos,
    "actual", ARG.cost, "written_off", written_off,
  }
  for _, w in ipairs(windows) do flat.add(words, record_store.nth("w", w.place), w.slot) end
  for _, leg in ipairs(legs) do flat.add(words, "lot", leg.member, "nanos", leg.charged) end
  return words
end

return report
