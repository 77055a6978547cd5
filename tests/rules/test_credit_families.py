"""Credits, wallets, limits and ways on: the platform's own examples and numbers, rule by rule.

Rows are told as in test_families.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.outcome import Denied, Remedy
from quotasvc.domain.team import Role
from tests.rules.story import NOW_MS, Ask, Given, Row, Story, TopUp, ask, legs_in_words
from tests.support.clock import DAY
from tests.support.people import key, member, seat, team
from tests.support.quota import Quota

YEAR = 365 * DAY
FIVE_DOLLARS = (TopUp(5_000),)

CENTS = ask("text/m2.7", input_tokens=100_000)
"""$0.03, or 30 credits."""

PLUS_USED_UP = (ask("speech/hd", characters=28_300),)

HUGE = 9_000_000_000
"""Credits in as large a lot as there may be: $9,000,000."""


def spend(credits: int) -> Ask:
    """Speech that costs so many credits."""
    return ask("speech/hd", characters=credits * 10)


@pytest.mark.parametrize(
    "row",
    [
        Row(
            rules="G6",
            words="access off stops the overflow of a seat",
            given=Given(plan="plus", access=False, top_ups=FIVE_DOLLARS, used=PLUS_USED_UP),
            asks=CENTS,
            answer="WINDOW_EXHAUSTED by general/five_hour_sliding",
        ),
        Row(
            rules="G7, L6",
            words="more credits than a double can count",
            given=Given(top_ups=(TopUp(HUGE), TopUp(HUGE), TopUp(HUGE))),
            asks=spend(HUGE + 1_000),
            answer=f"credits {HUGE + 1_000} credits",
        ),
        Row(
            rules="G8, G11",
            words="the last millisecond of 365 days",
            given=Given(top_ups=(TopUp(5_000, YEAR - 1),)),
            asks=spend(5_000),
            answer="credits 5000 credits",
        ),
        Row(
            rules="G8, G10, G11",
            words="365 days are over",
            given=Given(top_ups=(TopUp(5_000, YEAR),)),
            asks=spend(1),
            answer="NO_RESOURCES",
        ),
        Row(
            rules="G9, G10",
            words="a later top-up saves nothing of an earlier one",
            given=Given(top_ups=(TopUp(5_000, YEAR), TopUp(5_000, 100 * DAY))),
            asks=spend(5_001),
            answer="CREDITS_EXHAUSTED",
        ),
        Row(
            rules="G9",
            words="nor loses anything with it",
            given=Given(top_ups=(TopUp(5_000, YEAR), TopUp(5_000, 100 * DAY))),
            asks=spend(5_000),
            answer="credits 5000 credits",
        ),
        Row(
            rules="G12",
            words="what expires first was spent first, so the rest is still there",
            given=Given(
                top_ups=(TopUp(5_000, YEAR), TopUp(5_000, 100 * DAY)),
                used=(ask("speech/hd", 50 * DAY, characters=50_000),),
            ),
            asks=spend(5_000),
            answer="credits 5000 credits",
        ),
        *(
            Row(
                rules="G13, G14",
                words=f"all of the ${dollars} package, without a plan",
                given=Given(top_ups=(TopUp(credits),)),
                asks=ask("speech/hd", characters=dollars * 10_000),
                answer=f"credits {credits} credits",
            )
            for dollars, credits in ((5, 5_000), (25, 25_000), (100, 100_000))
        ),
        Row(
            rules="G13",
            words="and no bonus in the largest",
            given=Given(top_ups=(TopUp(100_000),)),
            asks=spend(100_001),
            answer="CREDITS_EXHAUSTED",
        ),
        Row(
            rules="G15",
            words="more in one day than any window has",
            given=Given(top_ups=(TopUp(100_000),), used=(spend(50_000),)),
            asks=spend(50_000),
            answer="credits 50000 credits",
        ),
        Row(
            rules="H3",
            words="what was used leaves the wallet",
            given=Given(payg=True, wallet=1_000),
            asks=CENTS,
            answer="wallet $0.03",
        ),
        Row(
            rules="H4",
            words="more than the seat has in five hours",
            given=Given(plan="plus", payg=True, wallet=5_000),
            asks=spend(2_831),
            answer="wallet $2.831",
        ),
    ],
    ids=str,
)
async def test_credits_and_wallets(story: Story, row: Row) -> None:
    """Prepaid money: how long it lasts, and that no window limits it."""
    assert await story.tell(row) == row.answer


# Several people, several teams.

ANN, BOB = "acme_k1", "acme_k2"


@pytest.mark.parametrize(
    ("access", "seated", "credits", "answer"),
    [
        pytest.param(True, False, 1_000, "credits 1000 credits", id="the other half of the pool"),
        pytest.param(True, False, 1_001, "CREDITS_EXHAUSTED", id="more than is left"),
        pytest.param(False, False, 1, "NO_RESOURCES", id="access off without a seat"),
        pytest.param(False, True, 1, "plan $0.001", id="access off with a seat"),
        pytest.param(True, True, 1, "plan $0.001", id="seat and access"),
    ],
)
async def test_members_of_one_pool(
    story: Story, *, access: bool, seated: bool, credits: int, answer: str
) -> None:
    # given a pool of 5,000 of which the Owner spent 4,000 (G1, G3), and a second member
    story.clock.now_ms = NOW_MS
    people = (member("ann", Role.OWNER), member("bob", access=True))
    keys = (key(1, "ann"), key(2, "bob"))
    await story.quota.put(team(people, keys=keys))
    await story.quota.grant("lot", 5_000)
    await story.use(spend(4_000))
    # when that member's access and seat are as in the row (G4, G5)
    people = (people[0], member("bob", access=access))
    seats = (seat("s1", "bob", "plus"),) if seated else ()
    await story.quota.put(team(people, seats=seats, keys=keys))
    # then its very next request is answered so
    assert await _answer(story.quota, BOB, spend(credits)) == answer


@pytest.mark.parametrize(
    ("key_id", "credits", "answer"),
    [
        ("acme_k1", 300, "wallet $0.3"),
        ("acme_k1", 301, "WALLET_EXHAUSTED"),
        ("acme_k2", 300, "wallet $0.3"),
        ("beta_k1", 1, "WALLET_EXHAUSTED"),
    ],
)
async def test_each_team_has_its_wallet(
    story: Story, key_id: str, credits: int, answer: str
) -> None:
    # given a user in two teams of which one has $0.30, and a colleague in that one (H1, H5)
    story.clock.now_ms = NOW_MS
    people = (member("ann", Role.OWNER), member("bob"))
    keys = (key(1, "ann", payg=True), key(2, "bob", payg=True))
    await story.quota.put(team(people, keys=keys))
    other = team(
        (member("ann", Role.OWNER),),
        keys=(key(1, "ann", payg=True, team_id="beta"),),
        team_id="beta",
    )
    await story.quota.control.put_team(other, 0, story.quota.deadline)
    await story.quota.top_up_wallet(300)
    # then the key's team pays, whoever made the key
    assert await _answer(story.quota, key_id, spend(credits)) == answer


async def _answer(quota: Quota, key_id: str, request: Ask) -> str:
    answer = await quota.decide(
        quota.ask(key_id=key_id, resource=request.resource, usage=request.usage)
    )
    if isinstance(answer, Denied):
        return answer.denial.reason.name
    return legs_in_words(answer.legs)


# Ways on, and limits.


@pytest.mark.parametrize(
    ("given", "asks", "ways"),
    [
        pytest.param(
            {"plan": "plus", "used": PLUS_USED_UP},
            CENTS,
            "WAIT, USE_CREDITS, UPGRADE max ultra, SWITCH_TO_PAYG",
            id="the Owner of a seat that is used up",
        ),
        pytest.param(
            {"plan": "ultra", "used": (ask("speech/hd", characters=176_000),)},
            CENTS,
            "WAIT, USE_CREDITS, SWITCH_TO_PAYG",
            id="there is no higher plan",
        ),
        pytest.param(
            {"plan": "plus", "role": Role.READER, "free_seats": 2, "used": PLUS_USED_UP},
            CENTS,
            "WAIT, USE_CREDITS, ASK_ASSIGNMENT of 2, SWITCH_TO_PAYG",
            id="a Reader asks",
        ),
        pytest.param(
            {"top_ups": FIVE_DOLLARS},
            ask("voice/clone", voices=1),
            "SWITCH_TO_PAYG",
            id="outside coverage",
        ),
    ],
)
async def test_ways_on(story: Story, given: dict[str, Any], asks: Ask, ways: str) -> None:
    """A denial names what the seeds name, and what this person may do (B14, B4)."""
    await story.begin(Given(**given))
    answer = await story.answer(asks)
    assert isinstance(answer, Denied)
    assert ", ".join(_way(remedy) for remedy in answer.denial.remedies) == ways


def _way(remedy: Remedy) -> str:
    seats = (f"of {remedy.free_seats}",) if remedy.free_seats else ()
    return " ".join((remedy.kind.name, *remedy.plans, *seats))


@pytest.mark.parametrize(
    ("rule", "figure"),
    [
        ("max_members", 100),
        ("max_seats", 100),
        ("max_payg_keys_per_user", 5),
        ("max_plans_per_member", 1),
    ],
)
def test_limits_of_a_team(policy: Catalog, rule: str, figure: int) -> None:
    """What the catalog allows a team (L1, L2, L3, L5)."""
    assert getattr(policy.team_rules, rule) == figure
