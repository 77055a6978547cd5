-- window: what is in a window, what still fits, and when more will.
--
-- A window is {kind, limit (-1: none), slice_ms, length_ms, start_ms, end_ms} as ordered, and
-- {total, held, oldest, slot, value} as read: `total` includes `held`; `oldest` is the first slot
-- that counts; `value` is what lies in `slot`. A slot is a slice's number in a sliding window, and
-- the start of the instance in force in any other; leases have neither.
local whole = require("lib.whole")

local window = {}

-- The first slice that counts at `now`: one leaves when all of it is older than the length.
function window.first_live(w, now)
  return math.floor((now - w.length_ms) / w.slice_ms)
end

-- How much fits now. May be negative after an overrun or a lowered limit.
function window.room(w)
  if w.limit < 0 then return BOUND.amount - w.total end
  return w.limit - w.total
end

-- As much of `amount` as a counter can count.
function window.countable(w, amount)
  return math.min(amount, BOUND.amount - w.total)
end

-- Whether `amount` can still leave the slot that was read: it is there, with so much in it.
function window.is_live(w, amount)
  if w.kind ~= KIND.SLIDING then return w.slot == w.oldest and w.total >= amount end
  return w.slot >= w.oldest and w.slot < w.oldest + BOUND.ring and w.value >= amount
end

-- When what lies there longest will be gone; 0 where nothing lies there or nothing ends it.
function window.reset_ms(w)
  local kind = w.kind
  if kind == KIND.SLIDING then
    if w.total == 0 then return 0 end
    return (w.oldest + 1) * w.slice_ms + w.length_ms
  end
  if kind == KIND.SLOTS then return w.first_end_ms end
  if kind ~= KIND.FIRST_USE then return w.end_ms end
  if w.total == 0 then return 0 end
  return w.oldest + w.length_ms
end

-- When `need` will fit if nothing else happens: 0 now, -1 never, -2 with a renewal of the cycle.
-- `leaving` lists {at_ms, amount} of what leaves a sliding window or ends its lease, the first first.
function window.fits_ms(w, need, leaving)
  local room = window.room(w)
  if room >= need then return 0 end
  if need > w.limit then return -1 end
  if w.kind == KIND.CYCLE then return -2 end
  if w.kind == KIND.ALIGNED then return w.end_ms end
  if w.kind == KIND.FIRST_USE then return w.oldest + w.length_ms end
  for _, one in ipairs(leaving) do
    room = room + one.amount
    if room >= need then return one.at_ms end
  end
  error({err = "CORRUPT " .. w.key .. " total is above its slices"})
end

-- Adds `amount` to the slot that was read, and `held` to what is held. Changes `w` only; refuses an
-- amount that may not be stored.
function window.add(w, amount, held)
  local total, value = w.total + amount, w.value + amount
  if total < 0 or total > BOUND.amount then whole.amount(total, w.key, "total") end
  if w.kind == KIND.SLIDING then
    if value < 0 or value > BOUND.amount then whole.amount(value, w.key, "slice") end
    w.value = value
  end
  w.total = total
  w.held = math.max(0, w.held + held)
  w.is_moved = true
  w.is_slot_moved = true
end

-- Takes `held` from what is held where the slot has left a sliding window; an instance's own went
-- with it.
function window.let_go_of(w, held)
  if w.kind ~= KIND.SLIDING then return end
  w.held = math.max(0, w.held + held)
  w.is_moved = true
end

return window
