-- ledger_store: the outbox: one STREAM per partition, appended in the script that makes the
-- movement, so that no movement is without its entry and no entry without its movement (SEM-39).
local ledger_store = {}

local WORDS_MAX = 7900 -- of one movement: unpack has a limit, 8000 with what goes before them

-- Fails before anything is written if the stream is not what it should be, or if `movement` (none:
-- there will be no entry) has more words than one entry takes. No call should ever come to that:
-- the most is six for each of BOUND.legs.
function ledger_store.probe(movement)
  redis.call("XLEN", KEY.ledger)
  if movement and #movement > WORDS_MAX then
    error({err = string.format("CORRUPT %s is to take %d words at once", KEY.ledger, #movement)})
  end
end

-- Appends one entry: who, which number, what, and the movement as names and values.
function ledger_store.append(team, team_id, kind, now, movement)
  redis.call(
    "XADD", KEY.ledger, "*", "team", team_id, "entry", team.entry, "seq", team.seq,
    "kind", kind, "ms", now, unpack(movement)
  )
end

return ledger_store
