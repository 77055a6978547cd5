"""Whether the time that a denial names is exact: a millisecond earlier it is a denial still."""

from __future__ import annotations

from dataclasses import replace

from quotasvc.domain.outcome import Allowed, Denied
from quotasvc.planes.ask import Ask
from tests.support.clock import Clock
from tests.support.quota import Quota


async def assert_exact(quota: Quota, clock: Clock, denied: Denied, ask: Ask) -> int:
    """The request passes after `retry_after`, and not a millisecond before. Returns it."""
    retry_after_ms = denied.denial.retry_after_ms
    assert retry_after_ms is not None
    assert not denied.denial.only_in_flight
    start_ms, check = clock(), replace(ask, check_only=True, request_id="")
    clock.now_ms = start_ms + retry_after_ms - 1
    assert isinstance(await quota.decide(check), Denied)
    clock.now_ms = start_ms + retry_after_ms
    assert isinstance(await quota.decide(check), Allowed)
    clock.now_ms = start_ms
    return retry_after_ms
