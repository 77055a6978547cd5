-- clock: the server's time. A script reads it once, so that every line of it sees the same moment.
-- Tests stitch clock_fixed.lua in this file's place.
local clock = {}

-- The time in ms.
function clock.read()
  local seconds_and_us = redis.call("TIME")
  return seconds_and_us[1] * 1000 + math.floor(seconds_and_us[2] / 1000)
end

return clock
