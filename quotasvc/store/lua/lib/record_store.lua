-- record_store: the one record of a request: a HASH of whole numbers and short texts, under the
-- short names of FIELD. What goes without saying is not kept: a field that is 0, the price of a plan
-- leg that counts cost, a leg that was charged as held. Of the id it keeps what its key does not
-- say. Python decodes the same fields in store/record.py.
local whole = require("lib.whole")

local record_store = {}

local PUT_MAX = 2000 -- words of one HSET: unpack has a limit

-- The record, or nil. `raw` is what Python decodes, `fields` what Lua reads.
function record_store.read(key)
  local raw = redis.call("HGETALL", key)
  if #raw == 0 then return nil end
  local fields = {}
  for i = 1, #raw, 2 do fields[raw[i]] = raw[i + 1] end
  local state = whole.of(fields[FIELD.state], nil, key, FIELD.state)
  if state < STATE.HELD or state > STATE.EXPIRED then
    error({err = "CORRUPT " .. key .. " " .. FIELD.state .. " is no state"})
  end
  local id = string.format("%s%s", fields[FIELD.id] or "", fields[FIELD.id_end] or "")
  return {key = key, raw = raw, fields = fields, id = id}
end

-- A field as a whole number; `absent` where it may be missing.
function record_store.number(record, name, absent)
  return whole.of(record.fields[name], absent, record.key, name)
end

-- A field as an amount that may be stored; `absent`, or 0, where it is missing.
function record_store.amount(record, name, absent)
  return whole.amount(record_store.number(record, name, absent or 0), record.key, name)
end

-- Whether a commit, a report or an expiry has charged it.
function record_store.is_charged(record)
  return record_store.number(record, FIELD.state) == STATE.COMMITTED
    or record_store.number(record, FIELD.provisional, 0) == 1
end

-- When the hold ends, or ended: as admitted, or as extended since.
function record_store.expire_ms(record)
  local extended_ms = record_store.number(record, FIELD.extended, 0)
  if extended_ms > 0 then return extended_ms end
  return record_store.number(record, FIELD.admit) + record_store.number(record, FIELD.hold)
end

local names = {} -- of numbered fields, made once: a place, a lot or a refund has few numbers

-- The name of a numbered field.
function record_store.nth(kind, i)
  local of_kind = names[kind] or {}
  names[kind] = of_kind
  of_kind[i] = of_kind[i] or string.format("%s%d", kind, i)
  return of_kind[i]
end

-- Adds a field to a flat list of names and values, unless it goes without saying (it is nothing, or
-- `absent`) and was not there before.
function record_store.put(flat, record, name, value, absent)
  local is_said = value ~= (absent or 0) and value ~= ""
  if not is_said and not (record and record.fields[name]) then return end
  flat[#flat + 1] = name
  flat[#flat + 1] = value
end

-- The slot of a window that the reservation charged, or nil where it did not concern it.
function record_store.slot(record, kind, place)
  local text = record.fields[record_store.nth(kind, place)]
  return text and whole.of(text, nil, record.key, "slot")
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
