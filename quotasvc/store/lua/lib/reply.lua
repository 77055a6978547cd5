-- reply: the answers of the decision scripts: outcome code first, whole numbers, no nil.
local window = require("lib.window")

local reply = {}

-- How each window stands: place, total, held, reset. Where `need` is given, also when it fits.
function reply.levels(windows, fits)
  local levels = {}
  for i, w in ipairs(windows) do
    levels[i] = {w.place, w.total, w.held, window.reset_ms(w), fits and fits[i] or 0}
  end
  return levels
end

-- The answer that a record gives: what it held before this script, and what this one added.
function reply.record(outcome, now, levels, raw, added)
  return {outcome, now, levels, raw or {}, added or {}}
end

return reply
