"""The oracle's decisions, checked against numbers that were worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.model.given import (
    CREDIT,
    CYCLE,
    DAY_OF_TEN,
    FIRST_USE,
    FIVE_HOURS,
    SLICE,
    START,
    WEEK,
    World,
    legs,
    plan,
)
from tests.model.policy import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Answer,
    Member,
    RateRow,
    Window,
    instance,
    to_ms,
)

PEAK = to_ms(datetime(2026, 11, 4, 15, tzinfo=UTC))  # Wednesday
LEAVES = (START // SLICE + 1) * SLICE + 5 * HOUR  # when usage of START leaves five hours


def passes_exactly_at(world: World, at_ms: int, tokens: int, **more: Any) -> None:
    """`retry_after` names `at_ms`, and a millisecond before that the request is still denied."""
    denied = world.ask(tokens, **more)["denial"]
    assert world.now_ms + denied["retry_after"] == at_ms
    for now_ms, decision in ((at_ms - 1, "DENY"), (at_ms, "ALLOW")):
        world.now_ms = now_ms
        assert world.ask(tokens, mode="CHECK_ONLY", **more)["decision"] == decision


def obstacles(answer: Answer) -> list[tuple[str, str]]:
    """(limit or payer, reason) of each."""
    found = answer["denial"].get("obstacles", [])
    return [(o.get("limit_id") or o["payer"], o["reason"]) for o in found]


# Prices and payers.


def test_three_cents_consume_thirty_credits() -> None:
    # given no seat, and 31 credits (D8)
    world = World(seat=False)
    world.lot("lot", 31)
    # when 100,000 tokens at $0.30 per million are asked for
    answer = world.ask(resource="m2.7", usage={"input_tokens": 100_000})
    # then $0.03 is 30 credits
    assert (legs(answer), answer["payer"]) == ([("lot", 30)], "CREDITS")
    assert world.available() == {"lot": 1}


def test_a_price_is_rounded_up_once() -> None:
    # given 1 token at 300 nanos, and 3 tokens at 100/3 nanos each
    world = World()
    assert world.ask(resource="m2.7", usage={"input_tokens": 1})["cost_nanos"] == 300
    text = world.policy.resources["text"]
    row = replace(text.rows[0], nanos={"output_tokens": 100}, per=3)
    thirds = replace(text, rows=(row,))
    world.oracle.set_policy(replace(world.policy, resources={"text": thirds}))
    assert [world.ask(n)["cost_nanos"] for n in (1, 3, 4)] == [34, 100, 134]


def test_a_vision_request_counts_as_three() -> None:
    # given ten requests a day, of which each API-vlm request takes 3 (D2)
    world = World(access=False)
    answers = [world.ask(resource="vlm") for _ in range(4)]
    # then three fit, and the fourth finds one left
    assert [a["decision"] for a in answers] == ["ALLOW"] * 3 + ["DENY"]
    assert answers[0]["legs"][0]["amount"] == 3
    assert answers[3]["denial"]["obstacles"][0]["remaining"] == 1


def test_the_week_is_ten_five_hour_windows() -> None:
    # given ten five-hour windows used up since Monday (C5)
    world = World(access=False)
    world.now_ms = START - 2 * DAY
    for _ in range(10):
        world.use(100)
        world.now_ms += 6 * HOUR
    # then both have room for nothing until the next Monday, 00:00
    monday = to_ms(datetime(2026, 11, 9, tzinfo=UTC))
    assert obstacles(world.ask(1))[0] == ("general/week", "WINDOW_EXHAUSTED")
    passes_exactly_at(world, monday, 1)


def test_outside_coverage_credits_do_not_help() -> None:
    # given Credits, and a resource for pay-as-you-go keys (B4)
    world = World()
    world.lot("lot", 100)
    usage = {"characters": 1}
    denied = world.ask(resource="voice", usage=usage)
    assert denied["denial"] == {
        "reason": "NOT_COVERED",
        "remedies": [{"kind": "SWITCH_TO_PAYG"}],
    }
    # then the wallet pays for it, with that key alone
    world.oracle.grant(START, "acme", "WALLET", "", 5 * CREDIT)
    answer = world.ask(resource="voice", usage=usage, key_id="acme_k2")
    assert legs(answer) == [("wallet", 1)]


def test_free_usage_needs_neither_seat_nor_credits() -> None:
    world = World(seat=False, access=False)
    answer = world.ask(resource="song", usage={"songs": 7})
    assert answer["decision"] == "ALLOW"
    assert "legs" not in answer
    assert world.ask(1)["denial"]["reason"] == "NO_RESOURCES"


@pytest.mark.parametrize(
    ("more", "fault", "field"),
    [
        ({"usage": {"images": 0}}, "UNMEASURED_UNIT", "usage.images"),
        ({"resource": "clip"}, "UNPRICED_USAGE", "usage.clips"),
        ({"hold_ms": 999}, "INVALID_FIELD", "hold_duration"),
        ({"request_id": ""}, "INVALID_FIELD", "request_id"),
    ],
)
def test_a_wrong_request_is_a_fault(more: dict[str, Any], fault: str, field: str) -> None:
    world = World()
    assert world.ask(**more) == {"fault": f"INVALID_ARGUMENT/{fault}", "field": field}


# Straddle (SEM-11).


@pytest.mark.parametrize(
    ("straddle", "used", "drawn"),
    [
        ("strict", 70, [("lot", 50)]),  # goes whole to the next payer
        ("split", 70, [("s1/general", 30), ("lot", 20)]),  # the plan gives what it has
        ("absorb", 70, [("s1/general", 50)]),  # any room admits all of it
        ("split", 99, [("s1/general", 1), ("lot", 49)]),  # split_min is one credit
    ],
)
def test_a_request_that_straddles_the_limit(
    straddle: str, used: int, drawn: list[tuple[str, int]]
) -> None:
    world = World(plan(FIVE_HOURS, straddle=straddle))
    world.lot("lot", 50)
    world.use(used)
    answer = world.ask(50)
    assert legs(answer) == drawn
    assert answer.get("may_fail_open", False) == (len(drawn) == 1 and drawn[0][0] != "lot")
    world.check()


def test_a_partial_plan_leg_below_the_minimum_is_not_made() -> None:
    # given half a credit of room
    world = World()
    world.lot("lot", 50)
    world.use(99)
    world.commit(world.reserve(resource="m2.7", usage={"input_tokens": 1_667}))
    # then Credits pay all
    assert legs(world.ask(2)) == [("lot", 2)]


# Windows.


@pytest.mark.parametrize("need", [1, 40, 41, 100])
def test_a_sliding_window_forgets_by_whole_slices(need: int) -> None:
    # given 40 used now and 60 an hour later
    world = World(plan(FIVE_HOURS, straddle="strict"), access=False)
    world.use(40)
    world.now_ms += HOUR
    world.use(60)
    # then 40 come back when their slice is older than five hours, the rest an hour later
    passes_exactly_at(world, LEAVES if need <= 40 else LEAVES + HOUR, need)
    world.check()


def test_a_first_use_window_opens_with_the_first_charge() -> None:
    # given a hold that opened the window, and was released: it is closed (SEM-51)
    world = World(plan(FIRST_USE), access=False)
    world.refund(world.reserve(10))
    # when the next charge comes an hour later
    world.now_ms += HOUR
    world.use(100)
    world.now_ms += HOUR
    # then five hours count from there
    passes_exactly_at(world, START + 6 * HOUR, 1)
    assert world.window() == (0, 0)


def test_a_cycle_ends_by_renewal_alone() -> None:
    # given a cycle that is used up
    world = World(plan(CYCLE), access=False)
    end_ms = START + 30 * DAY
    seat = replace(world.seat, cycle_start_ms=START, paid_until_ms=end_ms, renews=False)
    world.team(seats=(seat,))
    world.use(100)
    denial = world.ask(1)["denial"]
    # then no time is promised, and the end is shown (SEM-47)
    assert "retry_after" not in denial
    assert denial["obstacles"][0]["reset_time"] == end_ms
    # and a new cycle starts with nothing
    world.now_ms += 30 * DAY
    assert world.ask(1)["denial"]["reason"] == "NO_RESOURCES"
    renewed = replace(seat, cycle_start_ms=end_ms, paid_until_ms=2 * end_ms)
    world.team(seats=(renewed,))
    assert world.ask(100)["decision"] == "ALLOW"


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (30, 24)])
def test_a_calendar_day_has_as_many_hours_as_the_clock_says(day: int, hours: int) -> None:
    # given Berlin, where clocks went forward on 29 March 2026
    window = replace(DAY_OF_TEN, zone="Europe/Berlin")
    start, end = instance(window, to_ms(datetime(2026, 3, day, 12, tzinfo=UTC)))
    assert end - start == hours * HOUR
    blocks = replace(window, period="block", length_ms=10 * HOUR)
    assert instance(blocks, end - 1) == (start + 20 * HOUR, end)


@pytest.mark.parametrize(("bought_ms", "windows"), [(START - 1, 1), (START, 2)])
def test_who_bought_before_the_cut_has_no_weekly_limit(bought_ms: int, windows: int) -> None:
    # given a weekly window for purchases from START on (J6)
    world = World(plan(FIVE_HOURS, replace(WEEK, purchased_from_ms=START)))
    world.team(seats=(replace(world.seat, purchased_ms=bought_ms),))
    assert len(world.ask(1)["limits"]) == windows


# Rate limits and slots.


def test_a_rate_limit_never_falls_through_to_credits() -> None:
    # given two requests a minute, and Credits (J2)
    world = World(rates=(RateRow(rate_limit_id="t", resources=frozenset({"text"}), rpm=2),))
    world.lot("lot", 100)
    world.use(1)
    world.use(1)
    denied = world.ask(1)
    assert obstacles(denied) == [("rate/t/rpm", "RATE_LIMITED")]
    assert [r["kind"] for r in denied["denial"]["remedies"]] == ["WAIT"]
    assert denied["limits"][0] == {
        **{"limit_id": "rate/t/rpm", "kind": "rate", "unit": "requests", "limit": 2, "used": 2},
        **{"included": True, "denied": True, "reset_time": START + 60_500},
    }
    passes_exactly_at(world, START + 60_500, 1)  # when its half second is a minute old


def test_limits_shrink_at_peak_rounded_up() -> None:
    # given 5 requests a minute, at peak 300 permille of it: 2 (R2)
    row = RateRow(
        rate_limit_id="t", resources=frozenset({"text"}), rpm=5, connections=1, peak_permille=300
    )
    world = World(rates=(row,))
    world.now_ms = PEAK - 1
    for _ in range(3):
        world.use(1)
    assert world.ask(1, mode="CHECK_ONLY")["decision"] == "ALLOW"
    world.now_ms = PEAK
    assert obstacles(world.ask(1)) == [("rate/t/rpm", "RATE_LIMITED")]
    # and a switch stands above the schedule (J4)
    world.oracle.set_peak_mode("off")
    assert world.ask(1)["decision"] == "ALLOW"
    assert obstacles(world.ask(1)) == [("rate/t/connections", "RATE_LIMITED")]


def test_tokens_count_by_estimate_and_then_by_what_was_used() -> None:
    # given 100 tokens a minute
    row = RateRow(rate_limit_id="t", resources=frozenset({"text"}), tpm=100)
    world = World(plan(replace(FIVE_HOURS, limit=None)), rates=(row,))
    first, second = world.reserve(40), world.reserve(40)
    assert world.ask(21)["denial"]["reason"] == "RATE_LIMITED"
    # when one used less and the other more, half a minute later (R4)
    world.now_ms += 30 * SECOND
    world.commit(first, 10)
    world.commit(second, 70)
    # then 10 + 40 count from START, 30 from now, and the next 20 fit
    assert world.ask(20)["decision"] == "ALLOW"
    assert world.ask(1)["denial"]["retry_after"] == 30 * SECOND + 500


def test_slots_are_capped_at_peak_and_end_with_their_lease() -> None:
    # given one slot at peak, taken just before it begins (R3)
    world = World(plan(FIVE_HOURS, peak_concurrency=1))
    world.now_ms = PEAK - SECOND
    reservation = world.reserve(1)
    world.now_ms = PEAK
    denied = world.ask(1)
    assert obstacles(denied) == [("concurrency", "CONCURRENCY_LIMITED")]
    passes_exactly_at(world, PEAK + 59 * SECOND, 1)
    # when it is extended, though the lease had lapsed, then the slot is taken again
    assert world.oracle.extend(world.now_ms, reservation)["seq"] == 3
    assert world.ask(1)["denial"]["retry_after"] == MINUTE
    # and the commit frees it
    world.commit(reservation)
    assert world.ask(1)["decision"] == "ALLOW"
    world.check()


# Denials.


def test_a_denial_names_every_obstacle_and_what_would_help() -> None:
    # given a window of 100 with 60 used and 40 held, a pool of 5, and a larger plan
    larger = Window(window_id="five_hour", kind="sliding", length_ms=5 * HOUR, limit=150 * CREDIT)
    world = World(plan(FIVE_HOURS), plan(larger, plan_id="max", price=50))
    world.lot("lot", 5)
    world.use(60)
    world.reserve(40)
    denial = world.ask(50)["denial"]
    # then plan and pool are named, and when the plan alone would do
    window, pool = denial["obstacles"]
    assert (window["used"], window["held"]) == (60 * CREDIT, 40 * CREDIT)
    assert window["reset_time"] == LEAVES
    assert pool["limit"] == 50 * CREDIT
    assert pool["remaining"] == 5 * CREDIT
    # and without the 40 that are held, there would be room for 40 and 5: not enough
    assert "only_in_flight" not in denial
    kinds = [remedy["kind"] for remedy in denial["remedies"]]
    assert kinds == ["WAIT", "USE_CREDITS", "UPGRADE", "SWITCH_TO_PAYG"]
    assert denial["remedies"][2]["plans"] == ["max"]


def test_holds_alone_in_the_way_are_worth_a_short_wait() -> None:
    world = World(access=False)
    world.reserve(80)
    denial = world.ask(90)["denial"]
    assert (denial["only_in_flight"], denial["retry_after"]) == (True, SECOND)


def test_a_reader_asks_for_a_seat() -> None:
    # given a reader without a seat, and a seat that nobody holds
    world = World(seat=False)
    free = replace(world.seat, user_id=None)
    world.team(seats=(free,), member=Member(user_id="ann", role="reader", credits_access=False))
    denial = world.ask(1)["denial"]
    assert obstacles({"denial": denial}) == [("CREDITS", "CREDITS_ACCESS_OFF")]
    assert denial["remedies"] == [
        {"kind": "USE_CREDITS"},
        {"kind": "ASK_ASSIGNMENT", "free_seats": 1},
        {"kind": "SWITCH_TO_PAYG"},
    ]


# Identity and time.


def test_the_same_request_is_a_replay_and_another_a_conflict() -> None:
    world = World()
    first = world.ask(10, request_id="same")
    world.commit(first["reservation_id"], 4)
    again = world.ask(10, request_id="same", mode="CHECK_ONLY")
    first.pop("limits")
    assert again == {**first, "reservation_state": "COMMITTED", "replayed": True}
    conflict = {"fault": "ALREADY_EXISTS/REQUEST_ID_CONFLICT"}
    assert world.ask(11, request_id="same") == conflict
    assert world.record(10, request_id="same") == conflict


def test_a_check_says_what_would_happen_and_moves_nothing() -> None:
    world = World()
    checked = world.ask(10, request_id="", mode="CHECK_ONLY")
    made = world.ask(10)
    for name in ("reservation_id", "reservation_state", "expire_time"):
        made.pop(name)
    assert checked == {**made, "seq": made["seq"] - 1}


def test_a_clock_that_steps_back_a_little_stands_still() -> None:
    world = World()
    first = world.ask(1)
    world.now_ms -= 30 * SECOND
    assert world.ask(1)["expire_time"] == first["expire_time"]
    # and one that was far ahead is ignored (SEM-37)
    world.now_ms -= 1
    assert world.ask(1)["expire_time"] == world.now_ms + 10 * MINUTE


def test_usage_beside_that_of_a_clock_far_ahead_leaves_together_with_it() -> None:
    # given 60 used an hour ahead, and the clock put right (W2)
    world = World(plan(FIVE_HOURS), access=False)
    world.now_ms += HOUR
    world.use(60)
    world.now_ms -= HOUR
    assert world.window() == (60, 0)
    # when more is used, then it lies with what counts as current (SEM-37), and leaves with it
    world.use(40)
    passes_exactly_at(world, LEAVES + HOUR, 100)
