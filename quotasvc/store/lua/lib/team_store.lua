-- team_store: the counters of a team, in the same HASH as its document.
local whole = require("lib.whole")

local team_store = {}

-- Reads the team's counters; nil where there is no such team.
function team_store.read(key)
  local found = redis.call("HMGET", key, "version", "seq", "entry", "clock_ms", "due_ms")
  if not found[1] then return nil end
  local version, seq, entry = tonumber(found[1]), tonumber(found[2] or 0), tonumber(found[3] or 0)
  local clock_ms, due_ms = tonumber(found[4] or 0), tonumber(found[5] or 0)
  local is_sound = version and seq and entry and clock_ms and due_ms
    and version % 1 + seq % 1 + entry % 1 + clock_ms % 1 + due_ms % 1 == 0
    and math.max(version, seq, entry, clock_ms, due_ms) <= BOUND.amount
    and math.min(version, seq, entry, clock_ms, due_ms) >= 0
  if not is_sound then
    for i, what in ipairs({"version", "seq", "entry", "clock_ms", "due_ms"}) do
      whole.amount_of(found[i], 0, key, what)
    end
  end
  return {version = version, seq = seq, entry = entry, clock_ms = clock_ms, due_ms = due_ms}
end

-- The time of this decision: state never moves backwards, but a stored time that lies too far
-- ahead was a fault of some clock and is ignored (SEM-37).
function team_store.now(team, time_ms)
  if team.clock_ms > time_ms and team.clock_ms - time_ms <= BOUND.skew_ms then
    return team.clock_ms
  end
  return time_ms
end

-- Whether the reaper has to run first: some hold of the team may have ended.
function team_store.is_due(team, now)
  return team.due_ms > 0 and team.due_ms <= now
end

-- Whether what a settlement was told of the team's cycles is of another version; 0: it was told nothing.
function team_store.is_stale(team, version)
  return version > 0 and version ~= team.version
end

-- Counts one change of state, with a ledger entry or without, and remembers its time.
function team_store.count(team, now, is_entry)
  team.seq = team.seq + 1
  if is_entry then team.entry = team.entry + 1 end
  team.clock_ms = now
end

-- Writes the counters back.
function team_store.save(key, team)
  redis.call(
    "HSET", key, "seq", team.seq, "entry", team.entry, "clock_ms", team.clock_ms,
    "due_ms", team.due_ms
  )
end

return team_store
