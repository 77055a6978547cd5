-- flat: lists of names and values one behind the other, as commands take them.
local flat = {}

-- Adds some to the end of a list.
function flat.add(list, ...)
  local last = #list
  for i, word in ipairs({...}) do list[last + i] = word end
end

return flat
