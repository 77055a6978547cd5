"""What operators switch while the service runs; the service keeps it as the store has it."""

from __future__ import annotations

from quotasvc.domain.catalog import PeakMode


class Switches:
    """The switches as last seen. `peak_mode` None: by the catalog's own mode."""

    def __init__(self, peak_mode: PeakMode | None = None) -> None:
        self.peak_mode = peak_mode
