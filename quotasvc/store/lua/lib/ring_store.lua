-- ring_store: the slices of a sliding window. A slice's field is its number modulo BOUND.ring, so
-- that a full window stays small; all of them lie within one turn from the window's `oldest`.
local whole = require("lib.whole")

local ring_store = {}

-- Every slice that something lies in, as {slot, value}, oldest first.
function ring_store.slices(key, oldest)
  local found, list = redis.call("HGETALL", key), {}
  for i = 1, #found, 2 do
    local field = tonumber(found[i])
    if field then
      -- A layout without turns would be counted in slices that it never was in.
      if field % 1 ~= 0 or field < 0 or field >= BOUND.ring then
        error({err = "CORRUPT " .. key .. " a slice is outside the ring"})
      end
      local slot = oldest + (field - oldest) % BOUND.ring
      list[#list + 1] = {slot = slot, value = whole.amount_of(found[i + 1], nil, key, "slice")}
    end
  end
  table.sort(list, function(a, b) return a.slot < b.slot end)
  return list
end

-- Takes out of `w` what has left since it was last written; nothing is written yet.
function ring_store.let_go(w, first_live, current)
  local slices = ring_store.slices(w.key, w.oldest)
  w.read_oldest, w.oldest, w.value = w.oldest, nil, 0
  local gone = {}
  for _, slice in ipairs(slices) do
    if slice.slot < first_live then
      w.total = w.total - slice.value
      gone[#gone + 1] = slice.slot % BOUND.ring
    else
      w.oldest = w.oldest or slice.slot
      if slice.slot == w.slot then w.value = slice.value end
    end
  end
  w.oldest = w.oldest or current
  if #gone > 0 then w.gone = gone end
  if w.total < 0 then error({err = "CORRUPT " .. w.key .. " total is below its slices"}) end
end

-- The first slice in use after the one that was read, which is now empty.
function ring_store.next_oldest(w)
  for _, slice in ipairs(ring_store.slices(w.key, w.read_oldest or w.oldest)) do
    if slice.slot > w.slot then return slice.slot end
  end
  error({err = "CORRUPT " .. w.key .. " total is above its slices"})
end

-- When each slice leaves, and how much with it, the first first.
function ring_store.leaving(w)
  local list = {}
  for _, slice in ipairs(ring_store.slices(w.key, w.read_oldest or w.oldest)) do
    if slice.slot >= w.oldest then
      list[#list + 1] =
        {at_ms = (slice.slot + 1) * w.slice_ms + w.length_ms, amount = slice.value}
    end
  end
  return list
end

return ring_store
