-- clock_fixed: the time that a test sends along, under the name of lib.clock.
-- Only Build.TEST stitches it; `serve` cannot load that build.
local clock = {
  now_ms = ARG.clock_ms,
}

return clock
