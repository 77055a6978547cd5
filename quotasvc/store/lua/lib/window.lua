-- window: what is in a window, what still fits, and when more will.
--
-- A window is {kind, limit (-1: none), slice_ms, length_ms, start_ms, end_ms} as ordered, and
-- {total, held, oldest, slot, value} as read: `total` includes `held`; `oldest` is the first
-- slot that still counts; `value` is what lies in `slot`. A slot is a slice's number in a sliding
-- window and the instance's start in an aligned one.
local whole = require("lib.whole")

local window = {}

-- The slot that a charge at `now` falls into.
function window.current_slot(w, now)
  if w.kind == KIND.ALIGNED then return w.start_ms end
  return math.floor(now / w.slice_ms)
end

-- The first slot that counts at `now`: a slice leaves when all of it is older than the length.
function window.first_live(w, now)
  if w.kind == KIND.ALIGNED then return w.start_ms end
  return math.floor((now - w.length_ms) / w.slice_ms)
end

-- Whether a charge in `slot` still counts: only then may it be adjusted.
function window.is_live(w, slot, now)
  if w.kind == KIND.ALIGNED then return slot == w.start_ms end
  return slot >= window.first_live(w, now)
end

-- How much fits now. May be negative after an overrun or a lowered limit.
function window.room(w)
  if w.limit < 0 then return BOUND.amount - w.total end
  return w.limit - w.total
end

-- When what lies in the oldest slot will be gone; 0 where nothing lies in the window.
function window.reset_ms(w)
  if w.kind == KIND.ALIGNED then return w.end_ms end
  if w.total == 0 then return 0 end
  return (w.oldest + 1) * w.slice_ms + w.length_ms
end

-- When `need` will fit if nothing else happens: 0 now, -1 never. `slices` lists {slot, value} of
-- a sliding window, oldest first; one newer than now counts until its own time has passed (SEM-37).
function window.fits_ms(w, need, slices)
  if window.room(w) >= need then return 0 end
  if need > w.limit then return -1 end
  if w.kind == KIND.ALIGNED then return w.end_ms end
  local room = window.room(w)
  for _, slice in ipairs(slices) do
    room = room + slice.value
    if room >= need then return (slice.slot + 1) * w.slice_ms + w.length_ms end
  end
  error({err = "CORRUPT window total is above its slices"})
end

-- Adds `amount` to the slot that was read, if it still counts, and `held` to what is held.
-- Changes `w` only; refuses an amount that may not be stored.
function window.move(w, now, amount, held)
  local is_live = window.is_live(w, w.slot, now)
  if w.kind == KIND.ALIGNED and not is_live then return end
  w.is_moved = true
  w.held = math.max(0, w.held + held)
  if not is_live then return end
  if w.total == 0 then w.oldest = w.slot end
  w.oldest = math.min(w.oldest, w.slot)
  w.total = whole.amount(w.total + amount, "window", "total")
  if w.kind == KIND.SLIDING then w.value = whole.amount(w.value + amount, "window", "slice") end
end

return window
