"""What the oracle makes of reservations, checked against numbers that were worked out by hand."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest

from tests.model.given import CREDIT, FIVE_HOURS, SLICE, START, World, legs, plan
from tests.model.policy import DAY, HOUR, MINUTE, SECOND, Answer, Member, RateRow, Window

ALREADY = "FAILED_PRECONDITION/ALREADY_"


def two_lots() -> World:
    """A plan of 100, and lots of 20 and 50; the smaller one ends first."""
    world = World()
    world.lot("first", 20, days=1)
    world.lot("second", 50, days=2)
    return world


# Commit.


@pytest.mark.parametrize(
    ("used", "charged", "left"),
    [
        (150, [("s1/general", 100), ("first", 20), ("second", 30)], (0, 20)),
        (130, [("s1/general", 100), ("first", 20), ("second", 10)], (0, 40)),
        (110, [("s1/general", 100), ("first", 10)], (10, 50)),
        (0, [], (20, 50)),
    ],
)
def test_what_stays_charged_is_a_prefix(
    used: int, charged: list[tuple[str, int]], left: tuple[int, int]
) -> None:
    # given a hold over plan and both lots: it gives back last drawn first (SEM-25)
    world = two_lots()
    committed = world.commit(world.reserve(150), used)
    assert legs(committed) == charged
    assert world.available() == dict(zip(("first", "second"), left, strict=True))
    assert world.window() == (min(used, 100), 0)
    world.check()


@pytest.mark.parametrize(
    ("held", "used", "charged", "written_off"),
    [
        (40, 70, [("s1/general", 70)], 0),  # room of the plan first
        (40, 120, [("s1/general", 100), ("lot", 20)], 0),  # then the pool
        (100, 180, [("s1/general", 130), ("lot", 50)], 0),  # then the plan absorbs
        (120, 180, [("s1/general", 100), ("lot", 50)], 30),  # or a lot leg writes off
    ],
)
def test_more_than_was_held(
    held: int, used: int, charged: list[tuple[str, int]], written_off: int
) -> None:
    world = World()
    world.lot("lot", 50)
    committed = world.commit(world.reserve(held), used)
    assert legs(committed) == charged
    assert committed.get("written_off_nanos", 0) == written_off * CREDIT
    world.check()


def test_a_counted_leg_takes_every_unit_at_list_price() -> None:
    # given 8 images held of 10 a day
    world = two_lots()
    reservation = world.reserve(resource="image", usage={"images": 8})
    leg = world.commit(reservation, usage={"images": 13})["legs"][0]
    assert (leg["amount"], leg["amount_nanos"]) == (13, 39 * CREDIT)
    assert world.window(allowance=1) == (13, 0)


def test_a_settlement_is_made_once() -> None:
    world = World()
    reservation = world.reserve(50)
    first = world.commit(reservation, 30)
    first.pop("limits")
    assert world.commit(reservation, 30) == {**first, "replayed": True}
    lost = world.commit(reservation, 50)
    assert lost["fault"] == ALREADY + "COMMITTED"
    assert lost["winner"]["charged_nanos"] == 30 * CREDIT
    assert world.refund(reservation)["fault"] == ALREADY + "COMMITTED"


@pytest.mark.parametrize(
    ("resolution", "credits", "is_unmatched"), [("1080P", 6, False), ("4K", 3, True)]
)
def test_attributes_of_the_commit_choose_the_price(
    resolution: str, credits: int, is_unmatched: bool
) -> None:
    # given clips at 720P, 1 credit each (S9)
    world = World()
    at_720p = {"resolution": "720P"}
    reservation = world.reserve(resource="clip", usage={"clips": 5}, attributes=at_720p)
    attributes = {"resolution": resolution}
    committed = world.commit(reservation, usage={"clips": 3}, attributes=attributes)
    assert committed["actual_nanos"] == credits * CREDIT
    assert committed.get("attributes_unmatched", False) == is_unmatched


# Expiry.


def test_a_late_commit_is_charged_as_if_nothing_were_held() -> None:
    # given an expired hold of plan and pool, and 80 used by others since
    world = World()
    world.lot("lot", 50)
    reservation = world.reserve(120)
    world.now_ms += 10 * MINUTE
    world.use(80)
    committed = world.commit(reservation, 110)
    # then 20 of the plan and the 50 of the lot pay, and 40 are lost
    assert (committed["late"], legs(committed)) == (True, [("s1/general", 20), ("lot", 50)])
    assert committed["written_off_nanos"] == 40 * CREDIT
    # and all of it leaves five hours after it arrived
    world.now_ms = (world.now_ms // SLICE + 1) * SLICE + 5 * HOUR
    assert world.window() == (0, 0)
    world.check()


def test_a_provisional_charge_is_replaced_by_the_first_commit() -> None:
    # given a plan that charges what nobody settles (S2)
    world = World(plan(FIVE_HOURS, on_expiry="charge"))
    world.lot("lot", 50)
    reservation = world.reserve(120)
    world.now_ms += 10 * MINUTE
    found = world.oracle.get_reservation(world.now_ms, reservation)["reservation"]
    assert (found["state"], legs(found, "charged_legs")[1]) == ("EXPIRED", ("lot", 20))
    assert world.window() == (100, 0)
    # when its usage arrives, then only the difference moves
    committed = world.commit(reservation, 105)
    assert (committed["late"], legs(committed)) == (True, [("s1/general", 100), ("lot", 5)])
    assert world.available() == {"lot": 45}
    world.check()


def test_a_provisional_charge_is_given_back_as_refunded() -> None:
    world = World(plan(FIVE_HOURS, on_expiry="charge"))
    reservation = world.reserve(40)
    world.now_ms += 10 * MINUTE
    answer = world.refund(reservation)
    assert (answer["state"], answer["refunded_nanos"]) == ("RELEASED", 40 * CREDIT)
    assert world.window() == (0, 0)
    assert world.refund(reservation, "again", all=True) == {**answer, "replayed": True}
    world.check()


def test_no_decision_counts_an_expired_hold() -> None:
    world = World(access=False)
    world.reserve(100)
    world.now_ms += 10 * MINUTE - 1
    assert world.ask(100)["decision"] == "DENY"
    world.now_ms += 1
    answer = world.ask(100)
    # then the reap was one change, the admission another
    assert (answer["decision"], answer["seq"]) == ("ALLOW", 4)


def test_extending_never_shortens_and_has_an_end() -> None:
    # given a window of one hour in slices of 30 s
    hour = Window(window_id="hour", kind="sliding", length_ms=HOUR, limit=None)
    world = World(plan(hour))
    reservation = world.reserve(1, hold_ms=30 * MINUTE)
    for hold_ms, minutes in ((MINUTE, 30), (HOUR, 59.5)):
        answer = world.oracle.extend(START, reservation, hold_ms=hold_ms)
        assert answer["expire_time"] == START + int(minutes * MINUTE)
    world.now_ms += HOUR
    gone = world.oracle.extend(world.now_ms, reservation)
    assert gone["fault"] == "FAILED_PRECONDITION/EXPIRED"


# Returns.


def test_a_hold_over_midnight_belongs_to_the_old_day() -> None:
    # given 8 images held before midnight, and 10 charged after it (SEM-15)
    world = World(access=False)
    world.now_ms = START + 17 * HOUR - MINUTE
    reservation = world.reserve(resource="image", usage={"images": 8})
    world.now_ms += MINUTE
    world.commit(world.reserve(resource="image", usage={"images": 10}))
    released = world.refund(reservation)["released"][0]
    # then its return moves nothing of today
    assert (released["amount"], released["window_gone"]) == (8, True)
    assert world.window(allowance=1) == (10, 0)


@pytest.mark.parametrize("is_revoked", [False, True])
def test_what_returns_to_a_lot_that_has_ended_is_lost(is_revoked: bool) -> None:
    # given 30 held of a lot of 50 that ends (SEM-23), revoked or not
    world = World(seat=False)
    world.lot("lot", 50, days=1)
    world.now_ms += DAY - SECOND
    reservation = world.reserve(30)
    if is_revoked:
        world.oracle.revoke(world.now_ms, "acme", "lot")
    world.now_ms += SECOND
    answer = world.refund(reservation)
    lost = "revoked" if is_revoked else "expired"
    assert answer[f"{lost}_nanos"] == answer["released_nanos"] == 30 * CREDIT
    world.oracle.sweep(world.now_ms)
    assert world.oracle.lots(world.now_ms, "acme")["lots"][0][f"{lost}_nanos"] == 50 * CREDIT
    world.check()


def test_a_refund_by_usage_gives_back_what_it_cost() -> None:
    # given 150 charged over the plan and two lots
    world = two_lots()
    reservation = world.reserve(150)
    world.commit(reservation)
    # when 40 tokens are refunded, then the last drawn come back first (S5)
    usage = {"output_tokens": 40}
    answer = world.refund(reservation, "f1", usage=usage)
    assert legs(answer, "refunded") == [("first", 10), ("second", 30)]
    assert world.refund(reservation, "f1", usage=usage) == {**answer, "replayed": True}
    too_many = world.refund(reservation, "f2", usage={"output_tokens": 111})
    assert too_many == {
        "fault": "INVALID_ARGUMENT/INVALID_FIELD",
        "field": "usage.output_tokens",
    }
    world.check()


def test_a_written_off_part_is_not_refunded() -> None:
    # given 50 used of which Credits could pay 20 (SEM-49)
    world = World(seat=False)
    world.lot("lot", 20)
    reservation = world.reserve(20)
    world.commit(reservation, 50)
    answers = [
        world.refund(reservation, name, usage={"output_tokens": n})
        for name, n in (("f1", 30), ("f2", 5))
    ]
    assert [answer.get("refunded_nanos", 0) for answer in answers] == [0, 5 * CREDIT]


def test_refunds_never_exceed_the_charge() -> None:
    world = World()
    reservation = world.reserve(40)
    world.commit(reservation)
    half = world.refund(reservation, "f1", amount_nanos=25 * CREDIT)
    assert (legs(half, "refunded"), world.window()) == ([("s1/general", 25)], (15, 0))
    refused = "FAILED_PRECONDITION/REFUND_EXCEEDS_CHARGE"
    assert world.refund(reservation, "f2", amount_nanos=15 * CREDIT + 1) == {"fault": refused}
    assert world.refund(reservation, "f2", all=True)["refunded_nanos"] == 15 * CREDIT
    assert world.refund(reservation, "f3", all=True) == {"fault": refused}
    conflict = {"fault": "ALREADY_EXISTS/REQUEST_ID_CONFLICT"}
    assert world.refund(reservation, "f1", all=True) == conflict
    world.check()


def test_a_counted_charge_gives_back_units() -> None:
    # given 6 images
    world = World()
    reservation = world.reserve(resource="image", usage={"images": 6})
    world.commit(reservation)
    leg = world.refund(reservation, "f1", usage={"images": 2})["refunded"][0]
    assert (leg["amount"], leg["amount_nanos"]) == (2, 6 * CREDIT)
    assert world.refund(reservation, "f2", amount_nanos=1)["field"] == "amount_nanos"
    assert world.window(allowance=1) == (4, 0)


# Usage without a hold.


@pytest.mark.parametrize(
    ("given", "charged", "written_off"),
    [
        ({}, [("s1/general", 100), ("lot", 20)], 0),  # the rest is absorbed where a plan covers
        ({"access": False}, [("s1/general", 120)], 0),
        ({"seat": False}, [("lot", 20)], 100),  # and written off where none does
    ],
)
def test_usage_that_has_happened_is_charged(
    given: dict[str, Any], charged: list[tuple[str, int]], written_off: int
) -> None:
    world = World(**given)
    world.lot("lot", 20)
    answer = world.record(120)
    assert (answer["decision"], legs(answer)) == ("ALLOW", charged)
    assert answer.get("written_off_nanos", 0) == written_off * CREDIT
    world.check()


def test_an_old_reservation_is_committed_or_recorded_once() -> None:
    world = World()
    old = world.reserve(10)
    exists = "FAILED_PRECONDITION/RESERVATION_EXISTS"
    assert world.record(10, reservation_id=old)["fault"] == exists
    # when it has left the store, a day after it expired
    world.now_ms += DAY + 10 * MINUTE
    world.oracle.sweep(world.now_ms)
    assert world.commit(old, 10) == {"fault": "NOT_FOUND/NOT_FOUND"}
    assert world.record(10, reservation_id=old)["decision"] == "ALLOW"
    again = world.record(10, reservation_id=old)
    assert again == {"fault": "ALREADY_EXISTS/REQUEST_ID_CONFLICT"}


@pytest.mark.parametrize(("hours", "reason"), [(23, ""), (24, "KEY_DISABLED")])
def test_a_removed_members_usage_is_taken_for_a_day(hours: int, reason: str) -> None:
    world = World()
    world.lot("lot", 20)
    world.team(member=Member(user_id="ann", removed_ms=START))
    world.now_ms += hours * HOUR
    answer = world.record(10)
    assert answer.get("denial", {}).get("reason", "") == reason
    assert legs(answer) == ([] if reason else [("lot", 10)])  # never by a seat (S7)
    assert world.ask(1)["denial"]["reason"] == "KEY_DISABLED"


# Lots.


def test_a_paid_lot_beyond_a_thousand_waits_its_turn() -> None:
    # given a thousand open lots (L1)
    world = World(seat=False)
    for number in range(1_000):
        world.lot(f"lot{number}", 1, days=1)
    refused = world.lot("gift", 1, paid=False)
    assert refused == {"fault": "FAILED_PRECONDITION/TOO_MANY_LOTS"}
    world.lot("more", 5)
    balance = world.oracle.balance(START, "acme")["credits"]
    assert (balance["available_nanos"], balance["waiting_nanos"]) == (1_000 * CREDIT, 5 * CREDIT)
    # when one is spent, the next decision finds a place for it
    world.use(1)
    assert world.ask(1_004)["decision"] == "ALLOW"
    world.check()


def test_a_waiting_lot_whose_time_is_over_waits_no_longer() -> None:
    # given a full pool, and a paid lot that waits until its time is over (SEM-22)
    world = World(seat=False)
    for number in range(1_000):
        world.lot(f"lot{number}", 1, days=9)
    world.lot("more", 5, days=1)
    world.now_ms += DAY
    [more] = [x for x in world.oracle.lots(world.now_ms, "acme")["lots"] if x["lot_id"] == "more"]
    assert (more["expired_nanos"], "waiting" in more) == (5 * CREDIT, False)
    # when the sweeper comes, then it books that, though there is no place
    entry = world.oracle.teams["acme"].entry
    world.oracle.sweep(world.now_ms)
    assert world.oracle.teams["acme"].entry == entry + 1
    world.check()


# Any state.


def assert_exact(world: World, denied: Answer, tokens: int) -> None:
    """If all holds were committed in full and nothing else happened, the named time is exact."""
    oracle, at_ms = deepcopy(world.oracle), world.now_ms + denied["denial"]["retry_after"]
    for r in oracle.list_reservations(world.now_ms, "acme").get("reservations", []):
        oracle.commit(world.now_ms, r["reservation_id"], as_reserved=True)
    words: dict[str, Any] = {"key_id": "acme_k1", "resource": "text", "mode": "CHECK_ONLY"}
    for now_ms, decision in ((at_ms - 1, "DENY"), (at_ms, "ALLOW")):
        answer = oracle.check_and_reserve(now_ms, usage={"output_tokens": tokens}, **words)
        assert answer["decision"] == decision


@pytest.mark.parametrize("straddle", ["strict", "split", "absorb"])
@pytest.mark.parametrize("seed", range(3))
def test_every_promise_holds_in_any_state(straddle: str, seed: int) -> None:
    # given small windows and limits, and chance
    hour = Window(window_id="hour", kind="sliding", length_ms=HOUR, limit=40 * CREDIT, slices=60)
    row = RateRow(
        rate_limit_id="t", resources=frozenset({"text"}), rpm=4, tpm=90, peak_permille=600
    )
    on_expiry = ("release", "charge")[seed % 2]
    plus = plan(hour, FIVE_HOURS, straddle=straddle, on_expiry=on_expiry)
    world, chance, known, exact = World(plus, rates=(row,)), Random(seed), [], 0
    for number in range(120):
        tokens, choice = chance.randint(1, 50), chance.randrange(6)
        if choice <= 1:
            answer = world.ask(tokens)
            known += [answer["reservation_id"]] if answer["decision"] == "ALLOW" else []
            denial = answer.get("denial", {})
            if "retry_after" in denial and "only_in_flight" not in denial:
                assert_exact(world, answer, tokens)
                exact += 1
        elif choice == 2 and known:
            world.commit(chance.choice(known), tokens)
        elif choice == 3 and known:
            world.refund(chance.choice(known), f"f{number}", amount_nanos=CREDIT)
        elif choice == 4:
            world.lot(f"lot{number}", tokens // 5 + 1, days=9)
        else:
            world.record(tokens // 5)
            world.oracle.sweep(world.now_ms)
        # then every promise is kept
        world.check()
        world.now_ms += chance.choice((0, SECOND, 7 * MINUTE, 31 * MINUTE))
    assert len(known) > 10
    assert exact > 3
