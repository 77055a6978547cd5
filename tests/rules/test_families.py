"""Who pays, and windows: the platform's own examples and numbers, rule by rule.

A row is a situation, a request, and the answer in words: what each payer pays once the request is
committed, or why it is denied and by which windows.
"""

from __future__ import annotations

import pytest

from tests.rules.story import AFTER_CUTOFF_MS, BEFORE_CUTOFF_MS, Ask, Given, Row, Story, TopUp, ask
from tests.support.clock import DAY, HOUR, MINUTE

FIVE_DOLLARS = (TopUp(5_000),)

CENTS = ask("text/m2.7", input_tokens=100_000)
"""$0.03, or one request of an old plan."""

PLUS_USED_UP = (ask("speech/hd", characters=28_300),)
"""$2.83: all that Plus has in five hours."""

SLICE_MS = 5 * HOUR // 120

BURSTS_MS = [number * (5 * HOUR + 10 * MINUTE) for number in range(1, 11)]
"""Ten times within this week, each when the one before has left the five hours."""

FULL_WEEK = tuple(ask("text/m2.7", ago_ms, requests=1_500) for ago_ms in BURSTS_MS)
"""Starter's 10 times 1,500 requests."""


def requests(count: int, ago_ms: int = 0, resource: str = "text/m2.7") -> Ask:
    """So many requests of an old plan, all in one."""
    return ask(resource, ago_ms, requests=count)


@pytest.mark.parametrize(
    "row",
    [
        Row(
            rules="B1",
            words="quota and credits",
            given=Given(plan="plus", top_ups=FIVE_DOLLARS),
            asks=CENTS,
            answer="plan $0.03",
        ),
        Row(
            rules="B2, B9",
            words="the five hours are used up",
            given=Given(plan="plus", top_ups=FIVE_DOLLARS, used=PLUS_USED_UP),
            asks=CENTS,
            answer="credits 30 credits",
        ),
        Row(
            rules="B3",
            words="covered, but shown as - on Starter",
            given=Given(plan="starter-legacy", top_ups=FIVE_DOLLARS),
            asks=ask("image/image-01", images=1),
            answer="credits 3.5 credits",
        ),
        Row(
            rules="B3",
            words="covered, with limit 0 on Plus",
            given=Given(plan="plus", top_ups=FIVE_DOLLARS),
            asks=ask("video/hailuo-2.3", clips=1),
            answer="credits 280 credits",
        ),
        Row(
            rules="B4",
            words="outside coverage with seat and credits",
            given=Given(plan="ultra", top_ups=FIVE_DOLLARS),
            asks=ask("voice/clone", voices=1),
            answer="NOT_COVERED",
        ),
        Row(
            rules="B5, B10",
            words="no seat, text",
            given=Given(top_ups=FIVE_DOLLARS),
            asks=CENTS,
            answer="credits 30 credits",
        ),
        Row(
            rules="B5, B10",
            words="no seat, video",
            given=Given(top_ups=FIVE_DOLLARS),
            asks=ask("video/hailuo-2.3-fast", clips=1),
            answer="credits 190 credits",
        ),
        Row(
            rules="B10",
            words="no seat, outside coverage",
            given=Given(top_ups=FIVE_DOLLARS),
            asks=ask("voice/clone", voices=1),
            answer="NOT_COVERED",
        ),
        Row(
            rules="B6, B13",
            words="one cent of quota is left for three",
            given=Given(
                plan="plus", top_ups=FIVE_DOLLARS, used=(ask("speech/hd", characters=28_200),)
            ),
            asks=CENTS,
            answer="plan $0.01, credits 20 credits",
        ),
        Row(
            rules="B6, B13",
            words="two requests are left for the three of API-vlm",
            given=Given(plan="starter-legacy", top_ups=FIVE_DOLLARS, used=(requests(1_498),)),
            asks=ask("vlm/api-vlm", requests=1),
            answer="credits 10 credits",
        ),
        Row(
            rules="B7",
            words="nothing, and access to empty credits",
            given=Given(),
            asks=CENTS,
            answer="NO_RESOURCES",
        ),
        Row(
            rules="B7",
            words="no seat, and no access to full credits",
            given=Given(access=False, top_ups=FIVE_DOLLARS),
            asks=CENTS,
            answer="NO_RESOURCES",
        ),
        Row(
            rules="B8",
            words="used up, and an empty pool",
            given=Given(plan="plus", used=PLUS_USED_UP),
            asks=CENTS,
            answer="WINDOW_EXHAUSTED by general/five_hour_sliding",
        ),
        Row(
            rules="B8",
            words="used up, and access off",
            given=Given(plan="plus", access=False, top_ups=FIVE_DOLLARS, used=PLUS_USED_UP),
            asks=CENTS,
            answer="WINDOW_EXHAUSTED by general/five_hour_sliding",
        ),
        Row(
            rules="B9",
            words="the week is used up",
            given=Given(
                plan="starter-legacy",
                purchased_ms=AFTER_CUTOFF_MS,
                top_ups=FIVE_DOLLARS,
                used=FULL_WEEK,
            ),
            asks=CENTS,
            answer="credits 30 credits",
        ),
        Row(
            rules="B9",
            words="the day's 4,000 characters are used up",
            given=Given(
                plan="plus-legacy",
                top_ups=FIVE_DOLLARS,
                used=(ask("speech/hd", characters=4_000),),
            ),
            asks=ask("speech/hd", characters=300),
            answer="credits 30 credits",
        ),
        Row(
            rules="B11",
            words="API-vlm on exhausted quota",
            given=Given(plan="plus-legacy", top_ups=FIVE_DOLLARS, used=(requests(4_500),)),
            asks=ask("vlm/api-vlm", requests=1),
            answer="credits 10 credits",
        ),
        Row(
            rules="B12",
            words="an empty wallet beside seat and credits",
            given=Given(plan="plus", payg=True, top_ups=FIVE_DOLLARS),
            asks=CENTS,
            answer="WALLET_EXHAUSTED",
        ),
        Row(
            rules="B12",
            words="empty credits beside a full wallet",
            given=Given(wallet=5_000),
            asks=CENTS,
            answer="NO_RESOURCES",
        ),
    ],
    ids=str,
)
async def test_payers(story: Story, row: Row) -> None:
    """Quota first, then Credits, each within coverage; the wallet apart."""
    assert await story.tell(row) == row.answer


@pytest.mark.parametrize(
    "row",
    [
        Row(
            rules="C1",
            words="Starter's 1,500 requests within the past 5 hours",
            given=Given(plan="starter-legacy", used=(requests(1_500, 5 * HOUR - MINUTE),)),
            asks=requests(1),
            answer="WINDOW_EXHAUSTED by text/five_hour_sliding",
        ),
        Row(
            rules="C1",
            words="the same from more than 5 hours ago",
            given=Given(plan="starter-legacy", used=(requests(1_500, 5 * HOUR + SLICE_MS),)),
            asks=requests(1_500),
            answer="plan 1500 requests",
        ),
        Row(
            rules="C2",
            words="as much as is released comes back, without a reset",
            given=Given(
                plan="starter-legacy",
                used=(requests(600, 5 * HOUR + SLICE_MS), requests(900, 4 * HOUR)),
            ),
            asks=requests(600),
            answer="plan 600 requests",
        ),
        Row(
            rules="C2",
            words="and no more than that",
            given=Given(
                plan="starter-legacy",
                used=(requests(600, 5 * HOUR + SLICE_MS), requests(900, 4 * HOUR)),
            ),
            asks=requests(601),
            answer="WINDOW_EXHAUSTED by text/five_hour_sliding",
        ),
        Row(
            rules="C3",
            words="the daily characters were used in the last second of yesterday",
            given=Given(
                plan="plus-legacy", used=(ask("speech/hd", 12 * HOUR + 1, characters=4_000),)
            ),
            asks=ask("speech/hd", characters=4_000),
            answer="plan 4000 characters",
        ),
        Row(
            rules="C3",
            words="they were used at midnight",
            given=Given(plan="plus-legacy", used=(ask("speech/hd", 12 * HOUR, characters=4_000),)),
            asks=ask("speech/hd", characters=1),
            answer="WINDOW_EXHAUSTED by speech/day",
        ),
        Row(
            rules="C4",
            words="M2.5 shares what M2.7 used up",
            given=Given(plan="plus-legacy", used=(requests(4_500),)),
            asks=ask("text/m2.5", requests=1),
            answer="WINDOW_EXHAUSTED by text/five_hour_sliding",
        ),
        Row(
            rules="C4",
            words="speech is left when images are used up",
            given=Given(plan="plus-legacy", used=(ask("image/image-01", images=50),)),
            asks=ask("speech/hd", characters=4_000),
            answer="plan 4000 characters",
        ),
        Row(
            rules="C5, C6, C10, J6",
            words="bought at the cutoff, the week used up 10 times 5 hours long",
            given=Given(plan="starter-legacy", purchased_ms=AFTER_CUTOFF_MS, used=FULL_WEEK),
            asks=requests(1),
            answer="WINDOW_EXHAUSTED by text/week",
        ),
        Row(
            rules="C5",
            words="bought at the cutoff, one request short of the week",
            given=Given(
                plan="starter-legacy",
                purchased_ms=AFTER_CUTOFF_MS,
                used=(*FULL_WEEK[1:], requests(1_499, BURSTS_MS[0])),
            ),
            asks=requests(1),
            answer="plan 1 requests",
        ),
        Row(
            rules="C6, J6, J7",
            words="bought a millisecond before the cutoff, the same week",
            given=Given(plan="starter-legacy", purchased_ms=BEFORE_CUTOFF_MS, used=FULL_WEEK),
            asks=requests(1_500),
            answer="plan 1500 requests",
        ),
        Row(
            rules="C7, C10",
            words="Plus with all of its five hours, and nothing left of the week",
            given=Given(
                plan="plus",
                used=tuple(ask("speech/hd", ago_ms, characters=28_300) for ago_ms in BURSTS_MS),
            ),
            asks=ask("speech/hd", characters=1),
            answer="WINDOW_EXHAUSTED by general/week",
        ),
        Row(
            rules="C7, C10",
            words="Plus with most of its week, and nothing left of the five hours",
            given=Given(plan="plus", used=PLUS_USED_UP),
            asks=ask("speech/hd", characters=1),
            answer="WINDOW_EXHAUSTED by general/five_hour_sliding",
        ),
        Row(
            rules="C8",
            words="Plus after two months of which it used next to nothing",
            given=Given(plan="plus", used=(ask("speech/hd", 60 * DAY, characters=1),)),
            asks=ask("speech/hd", characters=28_301),
            answer="WINDOW_EXHAUSTED by general/five_hour_sliding",
        ),
        Row(
            rules="C8",
            words="a day of images after a day without any",
            given=Given(plan="plus-legacy", used=(ask("image/image-01", 2 * DAY, images=1),)),
            asks=ask("image/image-01", images=51),
            answer="WINDOW_EXHAUSTED by image/day",
        ),
    ],
    ids=str,
)
async def test_windows(story: Story, row: Row) -> None:
    """What is used counts for as long as its window says, and nothing unused is saved up."""
    assert await story.tell(row) == row.answer
