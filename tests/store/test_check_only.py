"""CHECK_ONLY: what NORMAL would answer now, and nothing written (SEM-12, SEM-50)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.outcome import Allowed, DenialReason, Denied
from quotasvc.domain.unit import Usage
from quotasvc.planes.ask import Ask
from tests.support.clock import MINUTE, Clock
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def check(quota: Quota, ask: Ask) -> Allowed | Denied:
    """What a check answers; it writes nothing."""
    await quota.reap()
    before = await quota.dump()
    answer = await quota.decide(replace(ask, check_only=True))
    assert await quota.dump() == before
    return answer


async def test_a_check_needs_no_request_id_and_leaves_nothing(quota: Quota) -> None:
    # given a seat and Credits
    await quota.team()
    await quota.grant("lot", 50)
    # when a request is only checked
    answer = await check(quota, quota.ask(120, request_id=""))
    # then it would be allowed, and there is no reservation
    assert isinstance(answer, Allowed)
    assert [leg.source for leg in answer.legs] == ["s1/general", "lot"]
    assert (answer.reservation_id, answer.state, answer.expire_ms) == ("", None, None)
    assert not answer.replayed
    # and checks without an id are no replays of each other
    again = await check(quota, quota.ask(50, request_id=""))
    assert isinstance(again, Allowed)
    assert not again.replayed


async def test_a_check_without_an_id_is_denied_and_at_fault_like_any_other(quota: Quota) -> None:
    await quota.team()
    unknown = await check(quota, quota.ask(request_id="", resource="no/such"))
    assert isinstance(unknown, Denied)
    assert unknown.denial.reason is DenialReason.UNKNOWN_RESOURCE
    with pytest.raises(InvalidArgument):
        await check(quota, quota.ask(request_id="", usage=Usage.of(images=1)))


async def test_a_check_with_an_id_does_not_record_it(quota: Quota) -> None:
    await quota.team()
    await check(quota, quota.ask(10, request_id="same"))
    assert not (await quota.reserve(20, request_id="same")).replayed


async def test_a_check_of_a_known_id_is_the_replay(quota: Quota) -> None:
    # given a hold
    await quota.team()
    first = await quota.reserve(10, request_id="same")
    # when its id is checked
    answer = await check(quota, quota.ask(10, request_id="same"))
    # then the answer is that of a retry, the id included
    assert answer == replace(first, replayed=True, limits=())


@pytest.mark.parametrize("plan", ["plus", "strict", "absorb", "deny", None])
@pytest.mark.parametrize("seed", range(3))
async def test_a_check_answers_what_the_request_would_get(
    quota: Quota, clock: Clock, plan: str | None, seed: int
) -> None:
    # given any state, reached by random requests
    chance = Random(seed)
    await quota.team(plan=plan)
    await quota.grant("first", 60, days=1)
    await quota.grant("second", 60, days=2)
    for _ in range(12):
        resource, unit = chance.choice((("text/a", "output_tokens"), ("image/a", "images")))
        usage = Usage.of(**{unit: chance.randint(1, 60 if unit == "output_tokens" else 6)})
        ask = quota.ask(resource=resource, usage=usage)
        # when a request is checked, and then made
        checked = await check(quota, ask)
        made = await quota.decide(ask)
        # then both say the same, but for what only a hold has
        if isinstance(made, Denied):
            assert checked == made
        else:
            assert isinstance(checked, Allowed)
            assert checked == replace(
                made, reservation_id="", state=None, expire_ms=None, seq=made.seq - 1
            )
            if chance.random() < 0.5:
                await quota.commit(made)
        clock.advance(chance.choice((0, MINUTE, 20 * MINUTE)))
