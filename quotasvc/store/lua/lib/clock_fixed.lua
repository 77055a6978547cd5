-- clock_fixed: the time that a test sends along, under the name of lib.clock.
-- Only Build.TEST stitches it; `serve` cannot load that build.
local clock = {}

-- The time in ms.
function clock.read()
  return ARG.clock_ms
end

return clock
