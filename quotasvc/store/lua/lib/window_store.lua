-- window_store: reads and moves window counters. One HASH per window: total, held, oldest, and in
-- a sliding window one field per slice, so that its size is bounded whatever the traffic.
local whole = require("lib.whole")
local window = require("lib.window")

local window_store = {}

-- Every slice that something lies in, as {slot, value}. One HGETALL: shorter than asking for each,
-- and it finds slices of any time, also those that a clock far ahead has filled.
local function slices(key)
  local found, list = redis.call("HGETALL", key), {}
  for i = 1, #found, 2 do
    local slot = tonumber(found[i])
    if slot then
      list[#list + 1] = {slot = slot, value = whole.of(found[i + 1], nil, key, "slice")}
    end
  end
  return list
end

-- Takes out of `w` what has left since it was last written, and finds the oldest slot in use.
local function let_go(w, key, first_live, current)
  local gone, oldest = {}, nil
  for _, slice in ipairs(slices(key)) do
    if slice.slot < first_live then
      w.total = w.total - slice.value
      gone[#gone + 1] = slice.slot
    elseif oldest == nil or slice.slot < oldest then
      oldest = slice.slot
    end
  end
  w.gone, w.oldest = gone, oldest or current
end

-- Reads the window at `now`, with what lies in `slot` (the current one unless given).
function window_store.read(key, w, now, slot)
  local current = window.current_slot(w, now)
  w.slot = slot or current
  local found = redis.call("HMGET", key, "total", "held", "oldest", w.slot)
  w.total = whole.of(found[1], 0, key, "total")
  w.held = whole.of(found[2], 0, key, "held")
  w.oldest = whole.of(found[3], current, key, "oldest")
  w.value = whole.of(found[4], 0, key, "slice")
  w.gone = {}
  if w.kind == KIND.ALIGNED then
    if w.oldest ~= w.start_ms then w.total, w.held, w.oldest = 0, 0, w.start_ms end
  elseif w.oldest < window.first_live(w, now) then
    let_go(w, key, window.first_live(w, now), current)
  end
  if w.total < 0 then error({err = "CORRUPT " .. key .. " total is below 0"}) end
  return w
end

-- The slices that count, oldest first, for saying when room comes back.
function window_store.slices(key, w, now)
  if w.kind == KIND.ALIGNED then return {} end
  local live, first_live = {}, window.first_live(w, now)
  for _, slice in ipairs(slices(key)) do
    if slice.slot >= first_live then live[#live + 1] = slice end
  end
  table.sort(live, function(a, b) return a.slot < b.slot end)
  return live
end

-- Decides what the window will be after `amount` and `held` move; where that empties its oldest
-- slice, the next one in use is the oldest. Writes nothing.
function window_store.plan(key, w, now, amount, held)
  window.move(w, now, amount, held)
  if w.kind == KIND.ALIGNED or w.total == 0 or w.value > 0 or w.slot > w.oldest then return end
  for _, slice in ipairs(window_store.slices(key, w, now)) do
    if slice.slot > w.slot then
      w.oldest = slice.slot
      return
    end
  end
end

-- Writes what window.move changed.
function window_store.write(key, w)
  if not w.is_moved then return end
  redis.call("HSET", key, "total", w.total, "held", w.held, "oldest", w.oldest)
  if w.kind == KIND.ALIGNED then return end
  -- No field is kept for an empty slice: only what counts is ever taken out again.
  if w.value > 0 then
    redis.call("HSET", key, w.slot, w.value)
  else
    redis.call("HDEL", key, w.slot)
  end
  if #w.gone > 0 then redis.call("HDEL", key, unpack(w.gone)) end
end

return window_store
