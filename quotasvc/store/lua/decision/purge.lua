-- purge: removes one record whose time is over; an open hold is never removed.
local clock = require("lib.clock")
local record_store = require("lib.record_store")
local purge_list_store = require("lib.purge_list_store")

-- Load.
local record = record_store.read(KEY.record)
local purge_ms = purge_list_store.read(ARG.reservation_id)
if purge_ms == nil then return {OUTCOME.UNKNOWN, 0} end
if purge_ms > clock.now_ms then return {OUTCOME.TOO_EARLY, clock.now_ms} end

-- Decide. A record of a later reservation of the same request stays.
local is_ours = record ~= nil and record.fields.id == ARG.reservation_id
if is_ours and record_store.number(record, "state") == STATE.HELD then
  error({err = "CORRUPT a held record is listed for purge"})
end

-- From here on nothing may fail.
if is_ours then record_store.remove(KEY.record) end
purge_list_store.remove(ARG.reservation_id)
return {OUTCOME.PURGED, clock.now_ms}
