"""Rate limits at peak: tighter, and a wait over an edge of peak hours is exact (J1, J4, SEM-52)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quotasvc.domain.catalog import Catalog, PeakMode, RateLimit
from quotasvc.domain.outcome import DenialReason
from quotasvc.store.executor import Executor
from tests.support.clock import MINUTE, SECOND, START_MS, Clock
from tests.support.exact import assert_exact
from tests.support.gates import PEAK_FROM_MS, PEAK_UNTIL_MS, gated, limit, row
from tests.support.quota import Quota

RPM, TPM = "rate/text/rpm", "rate/text/tpm"
Make = Callable[..., Quota]


@pytest.fixture
def make(executor: Executor, clock: Clock, conserved: list[Catalog]) -> Make:
    """The service by a catalog with these rows."""

    def quota(*rows: RateLimit, mode: PeakMode = PeakMode.AUTO) -> Quota:
        made = gated(*rows, mode=mode)
        conserved.append(made)
        return Quota(executor, clock, made)

    return quota


@pytest.mark.parametrize(
    ("rpm", "permille", "at_peak"),
    [(4, 500, 2), (5, 500, 3), (3, 1, 1), (9, 999, 9), (2, 500, 1), (4, 0, 1)],
)
async def test_at_peak_each_is_that_share_rounded_up_and_at_least_one(
    make: Make, clock: Clock, rpm: int, permille: int, at_peak: int
) -> None:
    # given a row that is tighter at peak (R2, SEM-52)
    quota = make(row(rpm=rpm, tpm=rpm * 10, connections=rpm, peak_permille=permille))
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    # then so many pass, and the answers show the limits in force
    for _ in range(at_peak):
        answer = await quota.reserve(1)
        assert limit(answer, RPM).limit == at_peak
        assert limit(answer, "rate/text/connections").limit == at_peak
        assert limit(answer, TPM).limit == max(1, -(-rpm * 10 * permille // 1_000))
    denied = await quota.denied(1)
    assert denied.denial.reason is DenialReason.RATE_LIMITED


@pytest.mark.parametrize("before_ms", [1, 5 * SECOND, 59 * SECOND])
async def test_the_wait_over_the_end_of_peak_hours_is_exact(
    make: Make, clock: Clock, before_ms: int
) -> None:
    # given ten requests a minute, five at peak, of which five are used shortly before its end
    quota = make(row(rpm=10, peak_permille=500))
    await quota.team()
    clock.now_ms = PEAK_UNTIL_MS - before_ms
    for _ in range(5):
        await quota.reserve(1)
    # then the next passes at the edge (SEM-8)
    denied = await quota.denied(1)
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == before_ms


@pytest.mark.parametrize("used", [10, 9, 6])
async def test_the_wait_into_peak_hours_is_exact(make: Make, clock: Clock, used: int) -> None:
    # given ten requests a minute, five at peak, of which most were made 20 s before it and 5 s
    quota = make(row("text", rpm=10, peak_permille=500), row("all", rpm=used))
    await quota.team()
    clock.now_ms = PEAK_FROM_MS - 20 * SECOND
    for number in range(used):
        await quota.reserve(1)
        if number == used // 2:
            clock.advance(15 * SECOND)
    # when the next comes still off peak
    denied = await quota.denied(1)
    # then it has to wait for what fits in at peak: exactly so long
    waited = await assert_exact(quota, clock, denied, quota.ask(1))
    assert clock() + waited > PEAK_FROM_MS


async def test_more_tokens_than_peak_hours_allow_wait_for_their_end(
    make: Make, clock: Clock
) -> None:
    # given a request that fits into the limit, but not into that of peak hours
    quota = make(row(tpm=100, peak_permille=500))
    await quota.team()
    clock.now_ms = PEAK_FROM_MS + MINUTE
    denied = await quota.denied(60)
    waited = await assert_exact(quota, clock, denied, quota.ask(60))
    assert clock() + waited == PEAK_UNTIL_MS


@pytest.mark.parametrize(
    ("mode", "at_ms", "passes"),
    [
        (PeakMode.ON, START_MS, 1),
        (PeakMode.OFF, PEAK_FROM_MS, 2),
        (PeakMode.AUTO, START_MS, 2),
        (PeakMode.AUTO, PEAK_FROM_MS, 1),
        (None, PEAK_FROM_MS, 1),
    ],
)
async def test_an_operators_switch_overrules_the_hours(
    make: Make, clock: Clock, mode: PeakMode | None, at_ms: int, passes: int
) -> None:
    # given two requests a minute, one at peak, and a switch that was set at run time (J4)
    quota = make(row(rpm=2, peak_permille=500))
    await quota.team()
    clock.now_ms = at_ms
    quota.switches.peak_mode = mode
    for _ in range(passes):
        await quota.reserve(1)
    assert (await quota.denied(1)).denial.reason is DenialReason.RATE_LIMITED
