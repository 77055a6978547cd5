-- report: what is written of usage that was charged without a hold: fields of its record, and what
-- the ledger says of it.
local record_store = require("lib.record_store")

local report = {}

-- Adds to the fields of a new record what was charged. `plan` is what the plan's windows count.
function report.add_charge(flat, team, now, plan, plan_nanos, written_off)
  local function note(name, value) record_store.put(flat, nil, name, value) end
  note(FIELD.settle, now)
  note(FIELD.outcome, ARG.outcome)
  note(FIELD.actual, ARG.cost)
  note(FIELD.written_off, written_off)
  note(FIELD.keep, plan)
  record_store.put(flat, nil, FIELD.plan_paid, plan_nanos, plan)
  note(FIELD.commit_seq, team.seq)
  note(FIELD.mark, ARG.mark_id)
end

-- The entry: what each window and each lot was charged, of what price, and what nobody paid.
function report.entry(windows, plan, plan_nanos, legs, written_off)
  local flat = {
    "id", ARG.reservation_id, "plan", plan, "over", 0, "plan_nanos", plan_nanos,
    "actual", ARG.cost, "written_off", written_off,
  }
  for _, w in ipairs(windows) do
    flat[#flat + 1] = string.format("w%d", w.place)
    flat[#flat + 1] = w.slot
  end
  for _, leg in ipairs(legs) do
    for _, word in ipairs({"lot", leg.member, "nanos", leg.charged}) do flat[#flat + 1] = word end
  end
  return flat
end

return report
