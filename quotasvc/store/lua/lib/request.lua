-- request: one that has been decided before, of which its record speaks (SEM-35).
local reply = require("lib.reply")

local request = {}

-- The answer where the record is there: the first one again, or that it was another request's; nil
-- where it is new.
function request.known(record, now, team)
  if record == nil then return nil end
  if record.fields[FIELD.content] ~= ARG.content then
    return reply.plain(OUTCOME.CONFLICT, now, team)
  end
  return reply.record(OUTCOME.REPLAYED, now, team, {}, record.raw)
end

return request
