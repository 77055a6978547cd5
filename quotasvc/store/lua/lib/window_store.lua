-- window_store: reads and writes window counters. One HASH per window: t, h, o for total, held and
-- oldest, and in a sliding window one field per slice: its size is bounded whatever the traffic.
local whole = require("lib.whole")
local window = require("lib.window")
local ring_store = require("lib.ring_store")

local window_store = {}

-- A sliding window at `now`. While everything in it is newer than now (a clock was wrong), the
-- oldest of it counts as current (SEM-37).
local function read_sliding(w, now, slot)
  local current = math.floor(now / w.slice_ms)
  local field = (slot or current) % BOUND.ring
  local found = redis.call("HMGET", w.key, "t", "h", "o", field)
  local total, held, oldest, value = whole.counters(found, w.key)
  if not total then
    w.total, w.held, w.value, w.oldest, w.slot = 0, 0, 0, current, slot or current
    return
  end
  if total == 0 and oldest > current then oldest = current end
  if not slot and oldest > current then
    current = oldest
    value = whole.of(redis.call("HGET", w.key, current % BOUND.ring), 0, w.key, "slice")
  end
  w.total, w.held, w.oldest, w.value, w.slot = total, held, oldest, value, slot or current
  local first_live = window.first_live(w, now)
  if oldest < first_live then ring_store.let_go(w, first_live, current) end
end

-- Any other window: the instance that is in force, if the stored one is not over.
local function read_instance(w, now, slot)
  local found = redis.call("HMGET", w.key, "t", "h", "o")
  local total, held, start = whole.counters(found, w.key)
  local is_over = not total or start < w.start_ms
  if w.kind == KIND.FIRST_USE then
    is_over = not total or total == 0 or now >= start + w.length_ms
    w.start_ms = now
  end
  -- One that starts later than now's was opened by a clock that was ahead: it stays in force.
  w.is_ahead = not is_over and w.kind == KIND.ALIGNED and start > w.start_ms
  if is_over then total, held, start = 0, 0, w.start_ms end
  w.total, w.held, w.oldest, w.slot = total, held, start, slot or start
end

-- Reads the window at `now`, with what lies in `slot` (the current one unless given).
function window_store.read(w, now, slot)
  if w.kind == KIND.SLIDING then
    read_sliding(w, now, slot)
  else
    read_instance(w, now, slot)
  end
end

-- Decides what the window will be after `amount` more in the current slot, `held` of it as a hold.
function window_store.charge(w, amount, held)
  if w.total == 0 then w.oldest = w.slot end
  window.add(w, amount, held)
end

-- Decides what the window will be after `amount` and `held` move in the slot that was read, and
-- which slice is then its oldest. Returns whether the slot was there. Writes nothing.
function window_store.plan(w, amount, held)
  if not window.is_live(w, amount < 0 and -amount or 0) then
    window.let_go_of(w, held)
    return false
  end
  window_store.charge(w, amount, held)
  if w.kind == KIND.SLIDING and w.value == 0 and w.slot == w.oldest and w.total > 0 then
    w.oldest = ring_store.next_oldest(w)
  end
  return true
end

-- Writes what was planned. No field is kept for an empty slice: only what counts is ever taken out
-- again.
function window_store.write(w)
  if not w.is_moved then return end
  local is_slice = w.kind == KIND.SLIDING
  if is_slice and w.gone then redis.call("HDEL", w.key, unpack(w.gone)) end
  if is_slice and w.is_slot_moved and w.value > 0 then
    redis.call(
      "HSET", w.key, "t", w.total, "h", w.held, "o", w.oldest,
      w.slot % BOUND.ring, w.value
    )
    return
  end
  redis.call("HSET", w.key, "t", w.total, "h", w.held, "o", w.oldest)
  if is_slice and w.is_slot_moved then redis.call("HDEL", w.key, w.slot % BOUND.ring) end
end

return window_store
