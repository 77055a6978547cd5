-- record_store: the one record of a request: a HASH of whole numbers and short texts.
--
-- Legs lie in numbered fields: w<place> is a window's slot, l<i> a lot's member with e (expiry),
-- n (held) and c (charged). Python decodes the same fields in store/record.py.
local whole = require("lib.whole")

local record_store = {}

local PUT_MAX = 2000 -- words of one HSET: unpack has a limit

-- The record, or nil. `raw` is what Python decodes, `fields` what Lua reads.
function record_store.read(key)
  local raw = redis.call("HGETALL", key)
  if #raw == 0 then return nil end
  local fields = {}
  for i = 1, #raw, 2 do fields[raw[i]] = raw[i + 1] end
  return {key = key, raw = raw, fields = fields}
end

-- A field as a whole number; `absent` where it may be missing.
function record_store.number(record, name, absent)
  return whole.of(record.fields[name], absent, record.key, name)
end

-- A field as an amount that may be stored.
function record_store.amount(record, name, absent)
  return whole.amount(record_store.number(record, name, absent), record.key, name)
end

-- The lots of the reservation, in the order of drawing.
function record_store.legs(record)
  local legs = {}
  for i = 1, record_store.number(record, "lots", 0) do
    local name = string.format("l%d", i)
    legs[i] = {
      is_recorded = true,
      member = record.fields[name],
      expire_ms = record_store.number(record, name .. "e"),
      held = record_store.amount(record, name .. "n", 0),
      charged = record_store.amount(record, name .. "c", 0),
    }
  end
  return legs
end

-- The slot of a window that the reservation charged, or nil where it did not concern it.
function record_store.slot(record, kind, place)
  local text = record.fields[string.format("%s%d", kind, place)]
  return text and whole.of(text, nil, record.key, "slot")
end

-- Adds the slot of one window to a flat list of names and values.
function record_store.put_slot(flat, kind, place, slot)
  flat[#flat + 1] = string.format("%s%d", kind, place)
  flat[#flat + 1] = slot
end

-- Adds the fields of a lot leg to a flat list of names and values.
function record_store.put_leg(flat, i, leg)
  local name = string.format("l%d", i)
  local words = {name, leg.member, name .. "e", leg.expire_ms, name .. "n", leg.held}
  for _, word in ipairs(words) do flat[#flat + 1] = word end
end

-- Adds what a commit charged of a lot leg; one that the hold did not have is added whole.
function record_store.put_charge(flat, i, leg)
  if not leg.is_recorded then record_store.put_leg(flat, i, leg) end
  flat[#flat + 1] = string.format("l%dc", i)
  flat[#flat + 1] = leg.charged
end

-- Writes a flat list of names and values.
function record_store.save(key, flat)
  for first = 1, #flat, PUT_MAX do
    redis.call("HSET", key, unpack(flat, first, math.min(#flat, first + PUT_MAX - 1)))
  end
end

-- Removes the record.
function record_store.remove(key)
  redis.call("DEL", key)
end

return record_store
