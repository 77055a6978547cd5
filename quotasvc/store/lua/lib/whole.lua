-- whole: numbers read from the store, refused loudly unless they are whole and within 2^53.
local whole = {}

-- The whole number that `text` spells; nil or false (an absent field) is `absent`. `key` and
-- `what` are put together only for a complaint: building texts is what costs most here.
function whole.of(text, absent, key, what)
  if not text then
    if absent == nil then error({err = "CORRUPT " .. key .. " " .. what .. " is missing"}) end
    return absent
  end
  local n = tonumber(text)
  if n == nil or n % 1 ~= 0 or n > BOUND.amount or n < -BOUND.amount then
    error({err = "CORRUPT " .. key .. " " .. what .. " is not a whole number"})
  end
  return n
end

-- `n` itself if it is an amount that may be stored.
function whole.amount(n, key, what)
  if n < 0 or n > BOUND.amount then
    error({err = "CORRUPT " .. key .. " " .. what .. " is out of range"})
  end
  return n
end

-- The amount that `text` spells, as `whole.of` reads it.
function whole.amount_of(text, absent, key, what)
  return whole.amount(whole.of(text, absent, key, what), key, what)
end

-- Total (t), held (h), oldest (o) and, if asked for, a slice of a window, as HMGET found them: all,
-- or none of the first three. One look at the four of them costs a third of four.
function whole.counters(found, key)
  local a, b, c, d = found[1], found[2], found[3], found[4]
  if not a and not b and not c and not d then return nil end
  local total, held, oldest = tonumber(a or ""), tonumber(b or ""), tonumber(c or "")
  local value = tonumber(d or 0)
  if
    total and held and oldest and value and total % 1 + held % 1 + oldest % 1 + value % 1 == 0
    and total <= BOUND.amount and held <= BOUND.amount and oldest <= BOUND.amount
    and value <= BOUND.amount and math.min(total, held, oldest, value) >= 0
  then
    return total, held, oldest, value
  end
  for i, what in ipairs({"t", "h", "o", "slice"}) do
    whole.amount_of(found[i], i == 4 and 0 or nil, key, what)
  end
  error({err = "CORRUPT " .. key .. " counters"})
end

return whole
