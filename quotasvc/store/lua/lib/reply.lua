-- reply: the answers of the decision scripts: outcome code, time, the team's `seq`; whole numbers,
-- no nil. Python reads them in store/answer.py.
local window = require("lib.window")

local reply = {}

-- An answer that brings nothing else.
function reply.plain(outcome, now, team)
  return {outcome, now, team and team.seq or 0}
end

-- How each limit stands, five numbers each: place, total, held, reset, and where `fits` is given
-- when it fits.
function reply.levels(limits, fits)
  local levels, at = {}, 0
  for i, w in ipairs(limits) do
    levels[at + 1], levels[at + 2], levels[at + 3] = w.place, w.total, w.held
    levels[at + 4], levels[at + 5] = window.reset_ms(w), fits and fits[i] or 0
    at = at + 5
  end
  return levels
end

-- The answer that a record gives: what it held before this script, and what this one added.
-- `refund` is the number of the refund that is meant, if any.
function reply.record(outcome, now, team, levels, raw, added, refund)
  return {outcome, now, team.seq, levels, raw or {}, added or {}, refund or 0}
end

return reply
