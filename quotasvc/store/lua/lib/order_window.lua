-- order_window: the windows of a call, as Python sends them: seven numbers each.
local order_window = {}

local WIDTH = 7

-- A list of windows in the order of KEY.windows.
function order_window.list(numbers)
  local list = {}
  for at = 1, #numbers, WIDTH do
    list[#list + 1] = {
      place = numbers[at],
      kind = numbers[at + 1],
      limit = numbers[at + 2],
      slice_ms = numbers[at + 3],
      length_ms = numbers[at + 4],
      start_ms = numbers[at + 5],
      end_ms = numbers[at + 6],
    }
  end
  return list
end

return order_window
