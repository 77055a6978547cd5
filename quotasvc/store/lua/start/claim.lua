-- claim: marks an empty database as ours; where many start at once, the first one's id stands.
local marker_store = require("lib.marker_store")

-- Load.
local schema, store_id = marker_store.read(KEY.marker)

-- Decide.
if schema then return {MARKER.OURS, schema, store_id} end
if not marker_store.is_alone() then return {MARKER.FOREIGN} end

-- From here on nothing may fail.
marker_store.write(KEY.marker, ARG.schema, ARG.store_id)
return {MARKER.OURS, ARG.schema, ARG.store_id}
