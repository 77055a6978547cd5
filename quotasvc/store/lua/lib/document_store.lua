-- document_store: a team's document, opaque here: Python writes and reads it.
local document_store = {}

-- Writes the document with its version.
function document_store.write(version, document)
  redis.call("HSET", KEY.team, "version", version, "document", document)
end

return document_store
