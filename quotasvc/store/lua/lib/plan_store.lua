-- plan_store: the plan leg of a reservation while it is settled: its windows, its room, and the
-- slots that its charge moves. Usage belongs to the moment of admission (SEM-15); only what goes
-- beyond the hold, after its instance is over, and a late commit go to the current one (SEM-27).
local window = require("lib.window")
local window_store = require("lib.window_store")
local record_store = require("lib.record_store")

local plan_store = {}

-- Reads the plan leg of `record`. `windows` of the result are those that it charged.
function plan_store.read(record, windows, now, is_late)
  local amount = record_store.amount(record, "plan")
  local plan = {
    is_leg = amount > 0,
    is_counted = ARG.is_counted == 1,
    is_absorbing = ARG.straddle == STRADDLE.ABSORB,
    held = is_late and 0 or amount,
    room = BOUND.amount,
    total = 0, -- of the fullest window
    windows = {},
    keys = {},
    is_gone = false,
  }
  for i, w in ipairs(windows) do
    local slot = record_store.slot(record, "w", w.place)
    if slot then
      w.is_over = is_late or not window.is_live(w, slot, now)
      local target = w.is_over and window.current_slot(w, now) or slot
      window_store.read(KEY.windows[i], w, now, target)
      plan.room = math.min(plan.room, window.room(w))
      plan.total = math.max(plan.total, w.total)
      plan.windows[#plan.windows + 1] = w
      plan.keys[#plan.keys + 1] = KEY.windows[i]
    end
  end
  return plan
end

-- Decides what each window will have: what is kept stays where it was admitted, what is more is
-- added there too, or to the current slot where that is over.
function plan_store.plan(plan, share, now)
  local back = share.plan_kept - plan.held
  plan.over = share.plan_over
  for i, w in ipairs(plan.windows) do
    if w.is_over then
      plan.is_gone = plan.is_gone or back < 0
      -- A sliding window has one `held` for all its slices; an instance's went with it.
      local held = w.kind == KIND.SLIDING and -plan.held or 0
      window_store.plan(plan.keys[i], w, now, share.plan_over, held)
    else
      window_store.plan(plan.keys[i], w, now, back + share.plan_over, -plan.held)
    end
  end
end

-- Adds to the record where the charge beyond the hold lies.
function plan_store.put_slots(flat, plan)
  if plan.over == 0 then return end
  for _, w in ipairs(plan.windows) do record_store.put_slot(flat, "o", w.place, w.slot) end
end

-- Writes the windows.
function plan_store.write(plan)
  for i, w in ipairs(plan.windows) do window_store.write(plan.keys[i], w) end
end

return plan_store
