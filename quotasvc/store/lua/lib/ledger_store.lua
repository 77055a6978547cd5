-- ledger_store: the outbox: one STREAM per partition, appended in the script that makes the
-- movement, so that no movement is without its entry and no entry without its movement (SEM-39).
local ledger_store = {}

-- Fails before anything is written if the stream is not what it should be.
function ledger_store.probe()
  redis.call("XLEN", KEY.ledger)
end

-- Appends one entry: who, which number, what, and the movement as names and values.
function ledger_store.append(team, team_id, kind, now, movement)
  redis.call(
    "XADD", KEY.ledger, "*", "team", team_id, "entry", team.entry, "seq", team.seq,
    "kind", kind, "ms", now, unpack(movement)
  )
end

return ledger_store
