-- leg_list: the legs of a record, in numbered fields: a lot's member with its expiry, what was held
-- of it and what was charged. Where a plan leg lies is in its windows' slots.
local record_store = require("lib.record_store")

local leg_list = {}

-- The lots of the reservation, in the order of drawing. Whose they are only Python reads, afterwards:
-- a payer that is no number has to be found before.
function leg_list.of(record)
  local nth, legs = record_store.nth, {}
  record_store.amount(record, FIELD.pool)
  local is_charged = record_store.is_charged(record)
  for i = 1, record_store.number(record, FIELD.lots, 0) do
    local held = record_store.amount(record, nth(FIELD.lot_held, i))
    local charged = is_charged and held or 0
    legs[i] = {
      is_recorded = true,
      member = record.fields[nth(FIELD.lot, i)],
      expire_ms = record_store.number(record, nth(FIELD.lot_expire, i), 0),
      held = held,
      recorded = held,
      charged = record_store.amount(record, nth(FIELD.lot_charged, i), charged),
    }
    if not legs[i].member then error({err = "CORRUPT " .. record.key .. " a lot is missing"}) end
  end
  return legs
end

-- Adds the fields of a lot leg: what was held of it, or charged, or both.
function leg_list.put(flat, record, i, leg)
  local nth, put = record_store.nth, record_store.put
  if not leg.is_recorded then
    put(flat, record, nth(FIELD.lot, i), leg.member)
    put(flat, record, nth(FIELD.lot_expire, i), leg.expire_ms)
    put(flat, record, nth(FIELD.lot_held, i), leg.held or 0)
  end
  if leg.charged then
    put(flat, record, nth(FIELD.lot_charged, i), leg.charged, leg.recorded or leg.held or 0)
  end
end

return leg_list
