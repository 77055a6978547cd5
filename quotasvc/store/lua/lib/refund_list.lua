-- refund_list: the refunds of one reservation, in numbered fields: whose they are, and what had gone
-- back in all when each was done.
local record_store = require("lib.record_store")

local refund_list = {}

-- Whether this refund is known: its number and whether it was for the same; and how many there are.
function refund_list.find(record, refund_id, scope)
  local count = record_store.number(record, FIELD.refunds, 0)
  if count > BOUND.refunds then
    error({err = "CORRUPT " .. record.key .. " has too many refunds"})
  end
  for i = 1, count do
    if record.fields[record_store.nth(FIELD.refund_id, i)] == refund_id then
      return count, i, record.fields[record_store.nth(FIELD.refund_scope, i)] == scope
    end
  end
  return count, nil
end

-- The fields that one more refund adds.
function refund_list.fields(record, team, number, sums, back, lost)
  local flat = {}
  local function note(name, value) record_store.put(flat, record, name, value) end
  local function nth(kind) return record_store.nth(kind, number) end
  local gone_back = sums.charged - sums.left + back.nanos
  note(FIELD.refunds, number)
  note(FIELD.refunded, gone_back)
  note(FIELD.plan_back, sums.units_back + back.units)
  note(nth(FIELD.refund_id), ARG.refund_id)
  note(nth(FIELD.refund_scope), ARG.scope)
  note(nth(FIELD.refund_nanos), gone_back)
  note(nth(FIELD.refund_units), sums.units_back + back.units)
  note(nth(FIELD.refund_expired), lost.expired)
  note(nth(FIELD.refund_revoked), lost.revoked)
  note(nth(FIELD.refund_gone), back.is_gone and 1 or 0)
  note(nth(FIELD.refund_seq), team.seq)
  if ARG.usage ~= "" then
    note(FIELD.usage_back, ARG.usage)
    note(FIELD.usage_nanos, record_store.amount(record, FIELD.usage_nanos) + back.nanos)
  end
  return flat
end

return refund_list
