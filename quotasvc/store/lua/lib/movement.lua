-- movement: what a ledger entry says beside its numbers: names and values, complete enough to
-- rebuild every balance and window from the entries alone (SEM-39).
local movement = {}

local function add(flat, ...)
  for _, word in ipairs({...}) do flat[#flat + 1] = word end
end

-- A commit: what each window and each lot was charged, of what price, and what nobody paid.
function movement.commit(record, plan, share, legs, actual, written_off)
  local flat = {"id", record.fields.id, "plan", share.plan_kept, "over", share.plan_over}
  add(flat, "plan_nanos", share.plan_nanos, "actual", actual, "written_off", written_off)
  for _, w in ipairs(plan.windows) do
    add(flat, string.format("w%d", w.place), record.fields[string.format("w%d", w.place)])
    if share.plan_over > 0 then add(flat, string.format("o%d", w.place), w.slot) end
  end
  for _, leg in ipairs(legs) do
    if leg.charged > 0 then add(flat, "lot", leg.member, "nanos", leg.charged) end
    if leg.back > 0 and leg.goes_to ~= "available" then
      add(flat, "lot", leg.member, leg.goes_to, leg.back)
    end
  end
  return flat
end

-- A refund: what each window and each lot got back. Of a window that is over it is nothing,
-- though all of the plan's charge counts as refunded (SEM-49).
function movement.refund(record, back)
  local flat = {"id", record.fields.id, "plan", back.plan, "plan_nanos", back.plan_nanos}
  for _, one in ipairs(back.windows) do
    add(flat, string.format("w%d", one.w.place), one.w.slot)
    add(flat, string.format("a%d", one.w.place), one.amount)
  end
  for _, leg in ipairs(back.legs) do
    if leg.charged > 0 then add(flat, "lot", leg.member, leg.goes_to, leg.charged) end
  end
  return flat
end

-- A loss: what a hold gave back to lots that had ended.
function movement.loss(record, legs)
  local flat = {"id", record.fields.id}
  for _, leg in ipairs(legs) do
    if leg.back > 0 and leg.goes_to ~= "available" then
      add(flat, "lot", leg.member, leg.goes_to, leg.back)
    end
  end
  return flat
end

return movement
