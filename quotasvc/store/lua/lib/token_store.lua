-- token_store: what a settlement changes in tokens per minute, and which leases it ends.
--
-- The estimate counted at the admission. What was used beyond it counts now; what was not used
-- leaves the slice of the admission, while that is there (SEM-19).
local window = require("lib.window")
local window_store = require("lib.window_store")
local lease_store = require("lib.lease_store")
local record_store = require("lib.record_store")

local token_store = {}

-- Reads and decides: `tokens` is the actual number, -1 for as many as were estimated.
function token_store.plan(record, limits, now, tokens)
  local difference = 0
  if tokens >= 0 then difference = tokens - record_store.amount(record, FIELD.tokens) end
  for _, w in ipairs(limits) do
    if w.place >= BOUND.gate and w.kind == KIND.SLIDING and difference ~= 0 then
      local admit_ms = record_store.number(record, FIELD.admit)
      local slot = record_store.slot(record, FIELD.slot, w.place) or math.floor(admit_ms / w.slice_ms)
      window_store.read(w, now, difference < 0 and slot or nil)
      window_store.plan(w, window.countable(w, difference), 0)
    end
    if w.kind == KIND.SLOTS then lease_store.probe(w.key) end
  end
end

-- Writes it, and frees what `digest` kept.
function token_store.write(limits, digest)
  for _, w in ipairs(limits) do
    if w.kind == KIND.SLOTS then
      lease_store.free(w.key, digest)
    elseif w.place >= BOUND.gate then
      window_store.write(w)
    end
  end
end

return token_store
