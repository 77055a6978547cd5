-- purge: removes one record whose time is over; an open hold is never removed.
local clock = require("lib.clock")
local record_store = require("lib.record_store")
local purge_list_store = require("lib.purge_list_store")
local reply = require("lib.reply")

-- Load.
local record = record_store.read(KEY.record)
local now = clock.read()
local purge_ms = purge_list_store.read(ARG.name)
if purge_ms == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end
if purge_ms > now then return reply.plain(OUTCOME.TOO_EARLY, now) end

-- Decide. A record of a later reservation of the same request stays.
local is_ours = record ~= nil and record.id == ARG.short_id
if is_ours and record_store.number(record, FIELD.state) == STATE.HELD then
  error({err = "CORRUPT " .. record.key .. " a held record is listed for purge"})
end

-- From here on nothing may fail.
if is_ours then record_store.remove(KEY.record) end
purge_list_store.remove(ARG.name)
return reply.plain(OUTCOME.PURGED, now)
