-- flat: lists of names and values one behind the other, as commands take them.
local flat = {}

-- Adds some to the end of a list.
function flat.add(list, ...)
  for _, word in ipairs({...}) do list[#list + 1] = word end
end

return flat
