-- clock: the server's time, read once per script so that every line of it sees the same moment.
-- Tests stitch clock_fixed.lua in this file's place.
local seconds_and_us = redis.call("TIME")

local clock = {
  now_ms = seconds_and_us[1] * 1000 + math.floor(seconds_and_us[2] / 1000),
}

return clock
