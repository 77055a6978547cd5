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

return whole
