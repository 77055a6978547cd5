"""Units, prices, weights and plans: the platform's own examples and numbers, rule by rule.

Rows are told as in test_families.py.
"""

from __future__ import annotations

import pytest

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.outcome import Denied
from tests.rules.story import Ask, Given, Row, Story, TopUp, ask
from tests.support.clock import DAY, HOUR

FIVE_DOLLARS = (TopUp(5_000),)

CENTS = ask("text/m2.7", input_tokens=100_000)
"""$0.03, or one request of an old plan."""

VLM = ask("vlm/api-vlm", requests=1)

STARTER, PLUS, MAX = "starter-legacy", "plus-legacy", "max-legacy"
HIGH_SPEED = ("plus-hs-legacy", "max-hs-legacy", "ultra-hs-legacy")


@pytest.mark.parametrize(
    "row",
    [
        Row(
            rules="D1",
            words="a million tokens are one request",
            given=Given(plan=STARTER),
            asks=ask("text/m2.7", input_tokens=1_000_000),
            answer="plan 1 requests",
        ),
        Row(
            rules="D2",
            words="API-vlm deducts 3 requests",
            given=Given(plan=STARTER),
            asks=VLM,
            answer="plan 3 requests",
        ),
        Row(
            rules="D3",
            words="API-vlm deducts 3 requests of High-Speed",
            given=Given(plan="plus-hs-legacy", used=(ask("text/m2.7-highspeed", requests=4_497),)),
            asks=VLM,
            answer="plan 3 requests",
        ),
        Row(
            rules="D3",
            words="and is denied where High-Speed has two left",
            given=Given(plan="plus-hs-legacy", used=(ask("text/m2.7-highspeed", requests=4_498),)),
            asks=VLM,
            answer="WINDOW_EXHAUSTED by text/five_hour_sliding",
        ),
        Row(
            rules="D4, E8",
            words="HD speech in characters",
            given=Given(plan=MAX),
            asks=ask("speech/hd", characters=11_000),
            answer="plan 11000 characters",
        ),
        Row(
            rules="D4, E8",
            words="Hailuo-2.3-Fast in clips",
            given=Given(plan=MAX),
            asks=ask("video/hailuo-2.3-fast", clips=2),
            answer="plan 2 clips",
        ),
        Row(
            rules="D4, E8",
            words="Hailuo-2.3 in clips",
            given=Given(plan=MAX, used=(ask("video/hailuo-2.3-fast", clips=2),)),
            asks=ask("video/hailuo-2.3", clips=2),
            answer="plan 2 clips",
        ),
        Row(
            rules="D4, E8",
            words="Music-2.6 in songs",
            given=Given(plan=MAX),
            asks=ask("music/music-2.6", songs=1),
            answer="plan 1 songs",
        ),
        Row(
            rules="D4, E8",
            words="image-01 in images",
            given=Given(plan=MAX),
            asks=ask("image/image-01", images=120),
            answer="plan 120 images",
        ),
        Row(
            rules="D5",
            words="new plans deduct the endpoint's price",
            given=Given(plan="plus"),
            asks=ask("text/m2.7", input_tokens=1_000_000, output_tokens=1_000_000),
            answer="plan $1.5",
        ),
        Row(
            rules="D5",
            words="API-vlm is its price there",
            given=Given(plan="plus"),
            asks=VLM,
            answer="plan $0.01",
        ),
        Row(
            rules="D6",
            words="what has no price deducts nothing",
            given=Given(plan="plus", used=(ask("speech/hd", characters=28_300),)),
            asks=ask("music/music-2.6-free", songs=3),
            answer="",
        ),
        *(
            Row(
                rules="D7",
                words=f"{asks.resource} on a quota that all four have used up",
                given=Given(
                    plan="plus",
                    used=(
                        CENTS,
                        ask("image/image-01", images=20),
                        ask("music/music-2.6", songs=1),
                        ask("speech/hd", characters=25_800),
                    ),
                ),
                asks=asks,
                answer="WINDOW_EXHAUSTED by general/five_hour_sliding",
            )
            for asks in (
                ask("text/m2.7", input_tokens=1, output_tokens=1),
                ask("image/image-01", images=1),
                ask("speech/hd", characters=1),
                ask("music/music-2.6", songs=1),
            )
        ),
        Row(
            rules="D8",
            words="$0.03 consumes 30 credits",
            given=Given(top_ups=FIVE_DOLLARS),
            asks=CENTS,
            answer="credits 30 credits",
        ),
        Row(
            rules="D8",
            words="$1 consumes 1,000 credits",
            given=Given(top_ups=FIVE_DOLLARS),
            asks=ask("speech/hd", characters=10_000),
            answer="credits 1000 credits",
        ),
        Row(
            rules="D9",
            words="the wallet pays the list price",
            given=Given(payg=True, wallet=5_000),
            asks=CENTS,
            answer="wallet $0.03",
        ),
        Row(
            rules="D9",
            words="credits pay the same beside the dearest plan",
            given=Given(
                plan="ultra", top_ups=FIVE_DOLLARS, used=(ask("speech/hd", characters=176_000),)
            ),
            asks=CENTS,
            answer="credits 30 credits",
        ),
        Row(
            rules="D9",
            words="credits pay the list price where quota counts requests",
            given=Given(
                plan=STARTER, top_ups=FIVE_DOLLARS, used=(ask("text/m2.7", requests=1_500),)
            ),
            asks=CENTS,
            answer="credits 30 credits",
        ),
        Row(
            rules="D10",
            words="one input token of M2.7",
            given=Given(top_ups=FIVE_DOLLARS),
            asks=ask("text/m2.7", input_tokens=1),
            answer="credits 0.0003 credits",
        ),
    ],
    ids=str,
)
async def test_units_and_prices(story: Story, row: Row) -> None:
    """What a request takes from each payer."""
    assert await story.tell(row) == row.answer


@pytest.mark.parametrize(
    "row",
    [
        *(
            Row(
                rules="E5",
                words=f"text on {plan}",
                given=Given(plan=plan),
                asks=CENTS,
                answer="plan 1 requests",
            )
            for plan in (STARTER, PLUS, MAX, *HIGH_SPEED)
        ),
        *(
            Row(
                rules="E6",
                words=f"{model} on {plan}",
                given=Given(plan=plan),
                asks=ask(model, requests=1),
                answer="plan 1 requests",
            )
            for model in ("text/m2.7-highspeed", "text/m2.5-highspeed")
            for plan in HIGH_SPEED
        ),
        *(
            Row(
                rules="E6",
                words=f"a highspeed model on {plan}",
                given=Given(plan=plan),
                asks=ask("text/m2.7-highspeed", requests=1),
                answer="NOT_IN_PLAN",
            )
            for plan in (STARTER, PLUS, MAX)
        ),
        Row(
            rules="E7",
            words="images are - on Starter",
            given=Given(plan=STARTER),
            asks=ask("image/image-01", images=1),
            answer="NOT_IN_PLAN",
        ),
        Row(
            rules="E7",
            words="and credits pay for them if there are any",
            given=Given(plan=STARTER, top_ups=FIVE_DOLLARS),
            asks=ask("image/image-01", images=1),
            answer="credits 3.5 credits",
        ),
        Row(
            rules="E7",
            words="video is - on Plus",
            given=Given(plan=PLUS),
            asks=ask("video/hailuo-2.3", clips=1),
            answer="NOT_IN_PLAN",
        ),
        Row(
            rules="E9",
            words="the same quota again, without another fee",
            given=Given(plan="plus", used=(ask("speech/hd", 6 * HOUR, characters=28_300),)),
            asks=ask("speech/hd", characters=28_300),
            answer="plan $2.83",
        ),
        Row(
            rules="E9",
            words="and in another month",
            given=Given(plan="plus", used=(ask("speech/hd", 31 * DAY, characters=28_300),)),
            asks=ask("speech/hd", characters=28_300),
            answer="plan $2.83",
        ),
    ],
    ids=str,
)
async def test_plans(story: Story, row: Row) -> None:
    """What is in which plan."""
    assert await story.tell(row) == row.answer


@pytest.mark.parametrize("plan", ["plus", "max", "ultra"])
@pytest.mark.parametrize(
    "request_",
    [
        CENTS,
        ask("text/m3", output_tokens=1),
        ask("speech/turbo", characters=1),
        ask("image/image-01", images=1),
        ask("video/hailuo-2.3", clips=1),
        ask("music/music-2.6", songs=1),
        VLM,
    ],
    ids=lambda request_: request_.resource,
)
async def test_new_plans_cover_all_models(story: Story, plan: str, request_: Ask) -> None:
    # given a seat of a new plan, and Credits for what its quota leaves out (E2, B10)
    await story.begin(Given(plan=plan, top_ups=FIVE_DOLLARS))
    # then no model is beyond what it covers
    answer = await story.answer(request_)
    assert not isinstance(answer, Denied)


@pytest.mark.parametrize(
    ("plan", "line", "dollars"),
    [
        ("plus", "shared", 20),
        ("max", "shared", 50),
        ("ultra", "shared", 120),
        (STARTER, "standard", 10),
        (PLUS, "standard", 20),
        (MAX, "standard", 50),
        ("plus-hs-legacy", "highspeed", 40),
        ("max-hs-legacy", "highspeed", 80),
        ("ultra-hs-legacy", "highspeed", 150),
    ],
)
def test_tiers(policy: Catalog, plan: str, line: str, dollars: int) -> None:
    """The tiers of both generations, their lines and their price a month (E1, E4, M4)."""
    found = policy.plans[plan]
    assert (found.line, found.price_nanos) == (line, dollars * 10**9)
    assert found.sellable is (line == "shared")
