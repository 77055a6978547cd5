-- limit_store: all limits of an admission: read together, explained together, charged together.
local window = require("lib.window")
local window_store = require("lib.window_store")
local ring_store = require("lib.ring_store")
local lease_store = require("lib.lease_store")

local limit_store = {}

-- Reads every limit at `now`. Returns the least room of the plan's windows, and whether every gate
-- is open.
function limit_store.read(limits, now)
  local room, is_open = BOUND.amount, true
  for _, w in ipairs(limits) do
    if w.kind == KIND.SLOTS then
      lease_store.read(w, now)
    else
      window_store.read(w, now)
    end
    local free = window.room(w)
    if w.place < BOUND.gate then
      if free < room then room = free end
    elseif w.need > 0 and free < w.need then
      is_open = false
    end
  end
  return room, is_open
end

-- When each limit will let the request pass: gates what they need, plan windows `plan_need`. Also
-- whether some instance is ahead of the clock, so that its end is not known here.
function limit_store.fits(limits, plan_need, now)
  local fits, is_ahead = {}, false
  for i, w in ipairs(limits) do
    local need = w.place < BOUND.gate and plan_need or w.need
    local leaving = {}
    if need > 0 and window.room(w) < need then
      if w.kind == KIND.SLIDING then leaving = ring_store.leaving(w) end
      if w.kind == KIND.SLOTS then leaving = lease_store.leaving(w, now) end
      fits[i] = window.fits_ms(w, need, leaving)
      is_ahead = is_ahead or w.is_ahead
    else
      fits[i] = 0
    end
  end
  return fits, is_ahead
end

-- Decides what an admission adds: `share` to the plan's windows, `held` of it as a hold; to a rate
-- limit what it needs; to a cap a lease until `lease_ms`. Who asks for no cap names no lease.
function limit_store.plan(limits, share, held, lease_ms)
  for _, w in ipairs(limits) do
    if w.kind == KIND.SLOTS then
      w.total = w.total + 1
      if w.first_end_ms == 0 then w.first_end_ms = lease_ms end
      w.first_end_ms = math.min(w.first_end_ms, lease_ms)
    elseif w.place >= BOUND.gate then
      if w.need > 0 then window_store.charge(w, window.countable(w, w.need), 0) end
    elseif share > 0 then
      window_store.charge(w, share, held)
    end
  end
end

-- As much of `share` as the fullest of the plan's windows can count.
function limit_store.clamp(limits, share)
  for _, w in ipairs(limits) do
    if w.place < BOUND.gate then share = window.countable(w, share) end
  end
  return share
end

-- The plan's windows that a share was charged to.
function limit_store.charged(limits, share)
  local windows = {}
  for _, w in ipairs(limits) do
    if w.place < BOUND.gate and share > 0 then windows[#windows + 1] = w end
  end
  return windows
end

-- Writes what was planned.
function limit_store.write(limits, digest, lease_ms, now)
  for _, w in ipairs(limits) do
    if w.kind == KIND.SLOTS then
      lease_store.take(w.key, digest, lease_ms, now)
    else
      window_store.write(w)
    end
  end
end

return limit_store
