"""Rate limits, peak hours and concurrency: the platform's own examples and numbers (J)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.outcome import Allowed, DenialReason, Denied, RemedyKind
from quotasvc.domain.team import Role
from quotasvc.store.executor import Executor
from tests.rules.story import NOW_MS, Ask, Given, Story, TopUp, ask
from tests.support.clock import Clock
from tests.support.people import key, member, team
from tests.unit.catalog_text import catalog

CHINA = ZoneInfo("Asia/Shanghai")
PLENTY = (TopUp(100_000),)
TEXT = ask("text/m2.7", requests=1)
VIDEO = ask("video/hailuo-2.3-fast", clips=1)
VIDEOS = 5
"""Videos per minute."""


def china_ms(text: str) -> int:
    """An instant by the clocks of the platform's peak hours."""
    return int(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1_000)


PEAK_MS = china_ms("2026-11-05T16:00")
"""A Thursday, within peak hours."""


async def admit(story: Story, request: Ask, times: int = 1) -> list[Allowed]:
    """Asks so often, and expects to be allowed."""
    answers = [await story.answer(request) for _ in range(times)]
    allowed = [answer for answer in answers if isinstance(answer, Allowed)]
    assert len(allowed) == times, answers
    return allowed


async def refused(story: Story, request: Ask) -> Denied:
    """Asks, and expects a denial that moves nothing."""
    return await story.quota.denied(
        resource=request.resource, usage=request.usage, attributes=request.attributes
    )


@pytest.mark.parametrize(
    ("request_", "times", "limit_id"),
    [
        (VIDEO, 5, "rate/video/rpm"),
        (ask("image/image-01", images=1), 10, "rate/image/rpm"),
        (ask("speech/hd", characters=1), 60, "rate/speech/rpm"),
        (ask("music/music-2.6-free", songs=1), 3, "rate/music-free/rpm"),
        (ask("music/music-2.6", songs=1), 20, "rate/music/connections"),
        (ask("text/m3", input_tokens=4_000_000, output_tokens=1_000_000), 2, "rate/m3/tpm"),
    ],
    ids=lambda value: value.resource if isinstance(value, Ask) else str(value),
)
async def test_each_rate_has_its_limit(
    story: Story, request_: Ask, times: int, limit_id: str
) -> None:
    # given as many requests as the platform's table allows (J1), all at once
    await story.begin(Given(top_ups=PLENTY))
    await admit(story, request_, times)
    # then one more is throttled, by that limit alone
    denied = await refused(story, request_)
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    assert [found.limit_id for found in denied.denial.obstacles] == [limit_id]


async def test_a_throttled_request_passes_within_about_a_minute(story: Story) -> None:
    # given a minute's videos (J1, J2)
    await story.begin(Given(top_ups=PLENTY))
    await admit(story, VIDEO, VIDEOS)
    wait_ms = (await refused(story, VIDEO)).denial.retry_after_ms
    assert wait_ms is not None
    assert 60_000 <= wait_ms <= 60_500
    # then the wait that is named is the shortest
    story.clock.advance(wait_ms - 1)
    await refused(story, VIDEO)
    story.clock.advance(1)
    await admit(story, VIDEO)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(Given(top_ups=PLENTY), id="Credits alone"),
        pytest.param(Given(plan="ultra", top_ups=PLENTY), id="a seat and Credits"),
        pytest.param(Given(payg=True, wallet=100_000), id="a wallet"),
    ],
)
async def test_throttling_is_no_exhaustion(story: Story, given: Given) -> None:
    # given a minute's videos and money for many more (J2)
    await story.begin(given)
    await admit(story, VIDEO, VIDEOS)
    # then money does not help, and only waiting is named
    denied = await refused(story, VIDEO)
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    assert [remedy.kind for remedy in denied.denial.remedies] == [RemedyKind.WAIT]
    assert not denied.denial.only_in_flight


async def test_rates_are_counted_per_team_whatever_the_key(story: Story) -> None:
    # given two members, one of them with a second key of the other kind; and another team (J3)
    story.clock.now_ms = NOW_MS
    people = (member("ann", Role.OWNER), member("bob"))
    keys = (key(1, "ann"), key(2, "bob"), key(3, "bob", payg=True))
    await story.quota.put(team(people, keys=keys))
    other = team(people[:1], keys=(key(1, "ann", payg=True, team_id="beta"),), team_id="beta")
    await story.quota.control.put_team(other, 0, story.quota.deadline)
    await story.quota.grant("lot", 100_000)
    await story.quota.top_up_wallet(100_000)

    async def reason(key_id: str) -> DenialReason | None:
        answer = await story.quota.decide(
            story.quota.ask(
                key_id=key_id,
                resource=VIDEO.resource,
                usage=VIDEO.usage,
                attributes=VIDEO.attributes,
            )
        )
        return answer.denial.reason if isinstance(answer, Denied) else None

    # when the team's videos of a minute are spread over its keys
    spread = ["acme_k1", "acme_k2", "acme_k3", "acme_k1", "acme_k2"]
    assert [await reason(key_id) for key_id in spread] == [None] * VIDEOS
    # then none of its keys gets one more, and the other team is throttled by nothing
    for key_id in set(spread):
        assert await reason(key_id) is DenialReason.RATE_LIMITED
    assert await reason("beta_k1") is DenialReason.WALLET_EXHAUSTED


@pytest.mark.parametrize(("at_ms", "admitted"), [(NOW_MS, 5), (PEAK_MS, 3)])
async def test_rates_tighten_at_peak(
    executor: Executor, clock: Clock, conserved: list[Catalog], at_ms: int, admitted: int
) -> None:
    # given a catalog that halves the videos at peak (J1, SEM-52: rounded up)
    policy = catalog("rpm: 5}", "rpm: 5, peak_permille: 500}")
    conserved.append(policy)
    story = Story(executor, clock, policy)
    await story.begin(Given(top_ups=PLENTY), at_ms)
    # then fewer pass at peak
    await admit(story, VIDEO, admitted)
    assert (await refused(story, VIDEO)).denial.reason is DenialReason.RATE_LIMITED


@pytest.mark.parametrize(
    ("at", "mode", "is_peak"),
    [
        ("2026-11-05T14:59:59.999", "auto", False),
        ("2026-11-05T15:00", "auto", True),
        ("2026-11-05T17:29:59.999", "auto", True),
        ("2026-11-05T17:30", "auto", False),
        ("2026-11-06T16:00", "auto", True),
        ("2026-11-07T16:00", "auto", False),
        ("2026-11-08T16:00", "auto", False),
        ("2026-11-09T16:00", "auto", True),
        ("2026-11-08T03:00", "on", True),
        ("2026-11-05T16:00", "off", False),
    ],
)
async def test_peak_hours(
    executor: Executor, clock: Clock, conserved: list[Catalog], *, at: str, mode: str, is_peak: bool
) -> None:
    # given a Starter with one agent at work, on weekdays or not, in the hours or not (J4)
    policy = catalog("mode: auto", f"mode: {mode}")
    conserved.append(policy)
    story = Story(executor, clock, policy)
    await story.begin(Given(plan="starter-legacy"), china_ms(at))
    await admit(story, TEXT)
    # then a second one is held up at peak only
    assert isinstance(await story.answer(TEXT), Denied) is is_peak


@pytest.mark.parametrize(
    ("plan", "agents"),
    [("starter-legacy", 1), ("plus-legacy", 1), ("max-legacy", 2), ("ultra-hs-legacy", 4)],
)
async def test_agents_at_peak(story: Story, plan: str, agents: int) -> None:
    # given as many agents at work as the tier has at peak, and Credits in plenty (J5)
    await story.begin(Given(plan=plan, top_ups=PLENTY), PEAK_MS)
    at_work = await admit(story, TEXT, agents)
    # then one more has to wait: Credits do not help (J2, SEM-20)
    denied = await refused(story, TEXT)
    assert denied.denial.reason is DenialReason.CONCURRENCY_LIMITED
    assert [remedy.kind for remedy in denied.denial.remedies] == [RemedyKind.WAIT]
    assert denied.denial.retry_after_ms == 60_000
    # and gets the place of the first that is done
    await story.quota.settle(at_work[0], TEXT.usage)
    await admit(story, TEXT)


@pytest.mark.parametrize(
    ("plan", "at_ms"), [("starter-legacy", NOW_MS), ("plus", PEAK_MS), (None, PEAK_MS)]
)
async def test_no_cap_off_peak_nor_without_one(story: Story, plan: str | None, at_ms: int) -> None:
    # given an old plan off peak, a new one at peak, or no seat (J5, E3): all without a cap
    await story.begin(Given(plan=plan, top_ups=PLENTY), at_ms)
    # then ten agents work at once
    await admit(story, TEXT, 10)
