-- admission: the fields of a new record: what was decided, and where its legs lie.
local record_store = require("lib.record_store")
local leg_list = require("lib.leg_list")

local admission = {}

-- A flat list of names and values. `plan` is what the plan's windows count; `plan_nanos` the price
-- that it covers; `legs` the lots in the order of drawing. A long id is kept in two halves: the store
-- keeps short texts compactly. Where tokens were counted goes without saying, by the time.
function admission.fields(state, now, seq, limits, plan, plan_nanos, legs)
  local flat = {
    FIELD.content, ARG.content, FIELD.state, state, FIELD.admit, now, FIELD.seq, seq,
    FIELD.id, string.sub(ARG.short_id, 1, BOUND.text),
  }
  local put = record_store.put
  put(flat, nil, FIELD.id_end, string.sub(ARG.short_id, BOUND.text + 1))
  put(flat, nil, FIELD.cost, ARG.cost)
  put(flat, nil, FIELD.pool, ARG.pool)
  put(flat, nil, FIELD.plan, plan)
  put(flat, nil, FIELD.plan_nanos, plan_nanos, plan)
  put(flat, nil, FIELD.lots, #legs)
  put(flat, nil, FIELD.usage, ARG.usage)
  put(flat, nil, FIELD.tokens, ARG.tokens)
  local at = #flat
  for _, w in ipairs(limits) do
    local is_charged = plan > 0
    if w.place >= BOUND.gate then
      local is_tokens = w.place % 3 == 1 and w.need > 0
      is_charged = is_tokens and w.slot ~= math.floor(now / w.slice_ms)
    end
    if is_charged then
      flat[at + 1] = record_store.nth(FIELD.slot, w.place)
      flat[at + 2] = w.slot
      at = at + 2
    end
  end
  for i, leg in ipairs(legs) do leg_list.put(flat, nil, i, leg) end
  return flat
end

return admission
