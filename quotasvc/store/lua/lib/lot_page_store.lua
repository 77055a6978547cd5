-- lot_page_store: a page of a pool's lots, in three sections: open ones in the order of drawing,
-- waiting ones, oldest first, and all others. It costs the same however many lots there have been.
local lot = require("lib.lot")
local open_lot_store = require("lib.open_lot_store")
local closed_lot_store = require("lib.closed_lot_store")

local lot_page_store = {}

-- Whether all lots are on the list of them, else an error: none may be missing from every page.
function lot_page_store.probe()
  local key = KEY.pool_all
  if redis.call("ZCARD", key) ~= redis.call("HLEN", KEY.pool_info) then
    error({err = "CORRUPT " .. key .. " has another number of lots than were granted"})
  end
end

-- Whether a page can go on behind `member`.
function lot_page_store.knows(member)
  return member == "" or redis.call("ZRANK", KEY.pool_all, member) ~= false
end

-- Once the lot of `after` waits no more, older ones do not either: they have entered before it.
local function fill_waiting(page, size, after)
  local from = (redis.call("ZRANK", KEY.pool_waiting, after) or -1) + 1
  for _, member in ipairs(redis.call("ZRANGE", KEY.pool_waiting, from, from + size - #page)) do
    if #page == size then return after end
    after = member
    page[#page + 1] = after
  end
  return nil
end

local SECTIONS = {open_lot_store.fill, fill_waiting, closed_lot_store.fill}

-- The members of a page of `size` that begins behind `after` in a section, and where the next one
-- begins, as a section and a member; empty where there are no more.
function lot_page_store.members(section, after, size, now)
  local page = {}
  for i = section, #SECTIONS do
    local last = SECTIONS[i](page, size, after, now)
    if last then return page, {i, last} end
    after = ""
  end
  return page, {}
end

-- The ids of the lots, then their facts, and their nanos in each state.
function lot_page_store.read(members)
  local ids = {}
  for i, member in ipairs(members) do ids[i] = lot.id(member) end
  local found = {ids}
  for i, key in ipairs({
    KEY.pool_info, KEY.pool_available, KEY.pool_held, KEY.pool_consumed, KEY.pool_expired,
    KEY.pool_revoked, KEY.pool_parked,
  }) do
    found[i + 1] = #ids > 0 and redis.call("HMGET", key, unpack(ids)) or {}
  end
  return found
end

return lot_page_store
