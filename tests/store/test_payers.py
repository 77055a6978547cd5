"""Who pays: the kind of key, the seat, the pool, and what the catalog covers (A, B, F, G)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.outcome import Allowed, DenialReason, Denied
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import KeyState, Role
from quotasvc.domain.unit import Usage
from tests.support.catalogs import CREDIT
from tests.support.people import key, member, seat, team
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")

ANN_KEY, BOB_KEY = "acme_k1", "acme_k2"


def payers(answer: Allowed) -> list[Payer]:
    """Who pays each leg."""
    return [leg.payer for leg in answer.legs]


def reason(answer: Allowed | Denied) -> DenialReason:
    """Why not."""
    assert isinstance(answer, Denied)
    return answer.denial.reason


# Keys and what they reach.


async def test_a_key_without_resources_is_a_valid_key_that_buys_nothing(quota: Quota) -> None:
    # given a member who joined and bought nothing (A2, A3), with access to empty Credits
    await quota.team(plan=None)
    # then every paid request is denied for want of resources, not for the key (A4, B7)
    assert reason(await quota.denied(1)) is DenialReason.NO_RESOURCES


async def test_the_same_key_reaches_what_is_assigned_later_and_loses_it_again(
    quota: Quota,
) -> None:
    # given the key of a member without seat and without Credits access
    await quota.team(plan=None, access=False)
    assert reason(await quota.denied(1)) is DenialReason.NO_RESOURCES
    # when a seat is assigned, the same key and secret work (A5)
    await quota.team(plan="plus", access=False)
    assert payers(await quota.reserve(1)) == [Payer.PLAN]
    # and with the seat gone and Credits access switched on as well (A6: either is enough)
    await quota.grant("lot", 10)
    await quota.team(plan=None, access=True)
    assert payers(await quota.reserve(1)) == [Payer.CREDITS]
    # and when that is off again it is back where it began (A5, converse)
    await quota.team(plan=None, access=False)
    assert reason(await quota.denied(1)) is DenialReason.NO_RESOURCES


async def test_a_subscription_key_never_touches_the_wallet(quota: Quota) -> None:
    # given a full wallet and nothing else (A7, B12)
    await quota.team(plan=None)
    await quota.top_up_wallet(1_000)
    # then it does not help a subscription key
    assert reason(await quota.denied(1)) is DenialReason.NO_RESOURCES


async def test_the_key_that_is_presented_chooses_the_payer(quota: Quota) -> None:
    # given a member with a seat, Credits and a funded wallet, and both kinds of key (A15)
    await quota.put(
        team(
            (member("ann", Role.OWNER),),
            seats=(seat("s1", "ann"),),
            keys=(key(1, "ann"), key(2, "ann", payg=True)),
        )
    )
    await quota.grant("lot", 100)
    await quota.top_up_wallet(100)
    # then only the key makes the difference
    assert payers(await quota.reserve(1, key_id="acme_k1")) == [Payer.PLAN]
    assert payers(await quota.reserve(1, key_id="acme_k2")) == [Payer.WALLET]


# Coverage.


async def test_outside_coverage_a_subscription_key_is_denied_whatever_it_has(
    quota: Quota,
) -> None:
    # given a seat and Credits in plenty (B4, B10)
    await quota.team()
    await quota.grant("lot", 1_000)
    # when a resource outside coverage is asked for
    answer = await quota.denied(resource="voice/clone", usage=Usage.of(characters=1))
    # then only a pay-as-you-go key helps
    assert reason(answer) is DenialReason.NOT_COVERED


async def test_an_unknown_resource_is_denied(quota: Quota) -> None:
    await quota.team()
    assert reason(await quota.denied(resource="text/z")) is DenialReason.UNKNOWN_RESOURCE


# Plan, then Credits.


async def test_credits_pay_without_a_subscription(quota: Quota) -> None:
    # given no seat and Credits access (B5, G4, G14)
    await quota.team(plan=None)
    await quota.grant("lot", 100)
    # then usage within coverage is charged to Credits, with no window in the way (G15)
    reservation = await quota.reserve(100)
    assert payers(reservation) == [Payer.CREDITS]
    assert reservation.limits == ()
    assert not reservation.may_fail_open


@pytest.mark.parametrize("plan", ["plus", "strict"])
async def test_credits_cover_what_the_plan_cannot_without_being_asked(
    quota: Quota, plan: str
) -> None:
    # given an exhausted window (B2, B6)
    await quota.team(plan=plan)
    await quota.grant("lot", 100)
    await quota.commit(await quota.reserve(100))
    # then Credits pay
    assert payers(await quota.reserve(10)) == [Payer.CREDITS]


@pytest.mark.parametrize(
    ("plan", "resource"),
    [
        ("strict", "vlm/a"),  # shown as "-"
        ("plus", "video/a"),  # shown with limit 0
    ],
)
async def test_credits_pay_what_is_covered_but_not_in_the_plan(
    quota: Quota, plan: str, resource: str
) -> None:
    # given a resource within coverage that the plan does not include (B3, E7), and no Credits
    await quota.team(plan=plan)
    assert reason(await quota.denied(resource=resource)) is DenialReason.NOT_IN_PLAN
    # when there are Credits
    await quota.grant("lot", 100)
    # then they pay
    reservation = await quota.reserve(resource=resource)
    assert payers(reservation) == [Payer.CREDITS]
    assert reservation.limits == ()


async def test_a_plan_may_refuse_to_overflow(quota: Quota) -> None:
    # given a plan whose overflow is "deny", and Credits
    await quota.team(plan="deny")
    await quota.grant("lot", 1_000)
    await quota.commit(await quota.reserve(100))
    # then an exhausted window is the end, and no lot moves
    assert reason(await quota.denied(1)) is DenialReason.WINDOW_EXHAUSTED
    assert await quota.available() == {"lot": 1_000}


async def test_switched_off_access_stops_the_overflow_of_a_seat_too(quota: Quota) -> None:
    # given a member with a seat whose access is off (G6, B8)
    await quota.team(access=False)
    await quota.grant("lot", 100)
    await quota.commit(await quota.reserve(100))
    # then an exhausted window is the end
    assert reason(await quota.denied(1)) is DenialReason.WINDOW_EXHAUSTED


async def test_exhausting_one_allowance_leaves_the_others_alone(quota: Quota) -> None:
    # given image requests up to the daily limit (C4, B9)
    await quota.team()
    await quota.reserve(resource="image/a", usage=Usage.of(images=10))
    image = quota.ask(resource="image/a", usage=Usage.of(images=1))
    assert reason(await quota.decide(image)) is DenialReason.WINDOW_EXHAUSTED
    # then text and vision still have all of theirs
    assert payers(await quota.reserve(100)) == [Payer.PLAN]
    assert payers(await quota.reserve(resource="vlm/a", usage=Usage.of())) == [Payer.PLAN]


async def test_a_weight_counts_each_request_several_times(quota: Quota) -> None:
    # given an allowance of 10 requests of which one vision request takes 3 (D2)
    await quota.team()
    ask = quota.ask(resource="vlm/a", usage=Usage.of())
    for number in range(3):
        answer = await quota.decide(replace(ask, request_id=f"vlm{number}"))
        assert isinstance(answer, Allowed)
        assert [(leg.unit, leg.amount, leg.nanos) for leg in answer.legs] == [
            ("requests", 3, CREDIT)
        ]
    assert await quota.window("vlm/day") == (0, 9)
    # when a fourth comes, it does not fit, and goes whole to Credits like anything else (B11)
    await quota.grant("lot", 5)
    assert payers(await quota.reserve(resource="vlm/a", usage=Usage.of())) == [Payer.CREDITS]
    assert await quota.window("vlm/day") == (0, 9)


# Teams.


async def test_all_members_draw_on_one_pool_through_their_own_keys(quota: Quota) -> None:
    # given two members without seats (G1, G3)
    await quota.put(
        team(
            (member("ann", Role.OWNER), member("bob")),
            keys=(key(1, "ann"), key(2, "bob")),
        )
    )
    await quota.grant("lot", 10)
    # when both spend
    await quota.commit(await quota.reserve(4, key_id=ANN_KEY))
    await quota.commit(await quota.reserve(5, key_id=BOB_KEY))
    # then one pool paid for both, and is now too small for either
    assert await quota.available() == {"lot": 1}
    for key_id in (ANN_KEY, BOB_KEY):
        answer = await quota.denied(2, key_id=key_id)
        assert reason(answer) is DenialReason.CREDITS_EXHAUSTED


async def test_a_seat_serves_one_member_only(quota: Quota) -> None:
    # given one seat in a team of two (F5)
    await quota.put(
        team(
            (member("ann", access=False), member("bob", access=False)),
            seats=(seat("s1", "ann"),),
            keys=(key(1, "ann"), key(2, "bob")),
        )
    )
    # then the other one has nothing (B7)
    assert payers(await quota.reserve(1, key_id=ANN_KEY)) == [Payer.PLAN]
    assert reason(await quota.denied(1, key_id=BOB_KEY)) is DenialReason.NO_RESOURCES


async def test_reassignment_keeps_the_usage_and_the_reservations_with_the_seat(
    quota: Quota,
) -> None:
    # given a seat with usage and a request in flight
    people = (member("ann", access=False), member("bob", access=False))
    keys_ = (key(1, "ann"), key(2, "bob"))
    await quota.put(team(people, seats=(seat("s1", "ann"),), keys=keys_))
    await quota.commit(await quota.reserve(60, key_id=ANN_KEY))
    in_flight = await quota.reserve(30, key_id=ANN_KEY)
    # when the seat goes to another member in the middle of the cycle (F9)
    await quota.put(team(people, seats=(seat("s1", "bob"),), keys=keys_))
    # then the new holder inherits the state of the window (F10)
    assert reason(await quota.denied(11, key_id=BOB_KEY)) is DenialReason.WINDOW_EXHAUSTED
    assert payers(await quota.reserve(10, key_id=BOB_KEY)) == [Payer.PLAN]
    # and the old one loses the seat at once (F11)
    assert reason(await quota.denied(1, key_id=ANN_KEY)) is DenialReason.NO_RESOURCES
    # while the request in flight is settled on the seat it came from (SEM-32)
    committed = await quota.commit(in_flight, 20)
    assert [(leg.source, leg.nanos) for leg in committed.legs] == [("s1/general", 20 * CREDIT)]
    assert isinstance(await quota.decide(quota.ask(10, key_id=BOB_KEY)), Allowed)


async def test_a_reservation_survives_everything_that_made_it_possible(quota: Quota) -> None:
    # given a request in flight that plan and Credits share
    await quota.team()
    await quota.grant("lot", 100)
    reservation = await quota.reserve(120)
    # when seat, access and key are gone (SEM-32)
    await quota.team(plan=None, access=False, state=KeyState.DELETED)
    # then settling it looks at the reservation only
    committed = await quota.commit(reservation, 110)
    assert [(leg.source, leg.nanos // CREDIT) for leg in committed.legs] == [
        ("s1/general", 100),
        ("lot", 10),
    ]


async def test_a_user_has_a_seat_and_a_wallet_of_their_own_in_each_team(quota: Quota) -> None:
    # given one user in two teams, each with a seat for them (A1, F7, H5)
    await quota.team()
    other = team(
        (member("ann", Role.OWNER),),
        seats=(seat("s1", "ann"),),
        keys=(key(1, "ann", team_id="beta"), key(2, "ann", payg=True, team_id="beta")),
        team_id="beta",
    )
    await quota.control.put_team(other, 0, quota.deadline)
    # when one team's window is used up
    await quota.reserve(100)
    assert reason(await quota.denied(1)) is DenialReason.WINDOW_EXHAUSTED
    # then the other's has all its room, and no wallet is mixed up with another
    assert payers(await quota.reserve(100, key_id="beta_k1")) == [Payer.PLAN]
    await quota.top_up_wallet(50)
    answer = await quota.denied(1, key_id="beta_k2")
    assert reason(answer) is DenialReason.WALLET_EXHAUSTED
