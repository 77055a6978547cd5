-- plan_store: the plan leg of a reservation while it is settled: its windows, its room, and the
-- slots that its charge moves. Usage belongs to the moment of admission (SEM-15); only what goes
-- beyond the hold, after its instance is over, and a late commit go to the current one (SEM-27).
local window = require("lib.window")
local window_store = require("lib.window_store")
local record_store = require("lib.record_store")

local plan_store = {}

-- Reads the plan leg of `record`. `windows` of the result are those that it charged; `held` is what
-- the leg still keeps: nothing after a hold that was given back at its expiry, and after one that
-- was charged (`is_provisional`) no hold but a charge.
function plan_store.read(record, limits, now, is_late, is_provisional)
  local amount = record_store.amount(record, FIELD.plan)
  local is_returned = is_late and not is_provisional
  local plan = {
    is_leg = amount > 0,
    is_counted = ARG.is_counted == 1,
    is_absorbing = ARG.straddle == STRADDLE.ABSORB,
    held = is_returned and 0 or amount,
    held_in_windows = is_late and 0 or amount,
    room = BOUND.amount,
    total = 0, -- of the fullest window
    windows = {},
    is_gone = false,
  }
  for _, w in ipairs(limits) do
    local slot = record_store.slot(record, FIELD.slot, w.place)
    if w.place < BOUND.gate and slot then
      window_store.read(w, now, slot)
      w.is_over = is_returned or not window.is_live(w, plan.held)
      if w.is_over then window_store.read(w, now) end
      plan.room = math.min(plan.room, window.room(w))
      plan.total = math.max(plan.total, w.total)
      plan.windows[#plan.windows + 1] = w
    end
  end
  return plan
end

-- Decides what each window will have: what is kept stays where it was admitted, what is more is
-- added there too, or to the current slot where that is over.
function plan_store.plan(plan, share)
  local back = share.plan_kept - plan.held
  for _, w in ipairs(plan.windows) do
    if w.is_over then
      plan.is_gone = plan.is_gone or back < 0
      -- A sliding window has one `held` for all its slices; an instance's went with it.
      local held = w.kind == KIND.SLIDING and -plan.held_in_windows or 0
      -- Where nothing comes or goes the instance that is over stays what is stored.
      if share.plan_over > 0 or held < 0 then window_store.plan(w, share.plan_over, held) end
    else
      window_store.plan(w, back + share.plan_over, -plan.held_in_windows)
    end
  end
end

-- Adds to the record where the charge beyond the hold, `over`, lies.
function plan_store.put_slots(flat, plan, over)
  if over == 0 then return end
  for _, w in ipairs(plan.windows) do
    local name = record_store.nth(FIELD.over_slot, w.place)
    flat[#flat + 1] = name
    flat[#flat + 1] = w.slot
  end
end

-- Writes the windows.
function plan_store.write(plan)
  for _, w in ipairs(plan.windows) do window_store.write(w) end
end

return plan_store
