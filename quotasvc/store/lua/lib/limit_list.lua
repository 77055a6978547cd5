-- limit_list: the limits of a call, as Python sends them: eight numbers each, beside their keys.
--
-- `place` is a plan window's place in its allowance; from BOUND.gate on it is a gate, a rate limit
-- or a cap on concurrency, which no payer can make up for. Gates begin at a multiple of three: of a
-- rate-limit row requests come first, then tokens, then connections. `need` is what the call wants.
local limit_list = {}

-- The limits in the order of their keys: numbers from `first` on, keys from `first_key` on. What most
-- of them get later has its field here: a table that grows costs more than its fields.
function limit_list.of(numbers, first, keys, first_key)
  local list, at = {}, first - 1
  for i = first_key, #keys do
    list[i - first_key + 1] = {
      key = keys[i],
      place = numbers[at + 1],
      kind = numbers[at + 2],
      limit = numbers[at + 3],
      need = numbers[at + 4],
      slice_ms = numbers[at + 5],
      length_ms = numbers[at + 6],
      start_ms = numbers[at + 7],
      end_ms = numbers[at + 8],
      total = 0,
      held = 0,
      oldest = 0,
      slot = 0,
      value = 0,
      is_moved = false,
      is_slot_moved = false,
    }
    at = at + 8
  end
  return list
end

return limit_list
