"""Denials explain themselves: headline, every obstacle, remedies; and nothing moves (SEM-6 … 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quotasvc.domain.outcome import Denial, DenialReason, RemedyKind
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import KeyState, Role
from quotasvc.domain.unit import Usage
from quotasvc.store.executor import Executor
from tests.support.books import Books
from tests.support.catalogs import CREDIT, PLANS, catalog
from tests.support.clock import DAY, HOUR, Clock
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

IMAGE, VIDEO = "image/a", "video/a"


def obstacles(denial: Denial) -> list[tuple[Payer | None, str]]:
    """(payer, reason) of each."""
    return [(obstacle.payer, obstacle.reason.name) for obstacle in denial.obstacles]


def kinds(denial: Denial) -> list[str]:
    """What would help, in a word each."""
    return [remedy.kind.name for remedy in denial.remedies]


def messages(denial: Denial) -> dict[RemedyKind, str]:
    """What is said to the person."""
    return {remedy.kind: remedy.message for remedy in denial.remedies}


# The headline is the first reason in the order of the checks (SEM-7).


@pytest.mark.parametrize(
    ("given", "ask", "headline"),
    [
        ({"state": KeyState.DELETED}, {"resource": "no/such"}, "KEY_INVALID"),
        ({"state": KeyState.DISABLED}, {"resource": "no/such"}, "KEY_DISABLED"),
        ({"plan": None, "access": False}, {"resource": "no/such"}, "UNKNOWN_RESOURCE"),
        ({"plan": None, "access": False}, {"resource": "voice/clone"}, "NOT_COVERED"),
        ({"plan": None, "access": False}, {}, "NO_RESOURCES"),
        ({"plan": None, "access": True}, {}, "NO_RESOURCES"),
        ({"plan": "plus", "access": True}, {"resource": VIDEO}, "NOT_IN_PLAN"),
        ({"plan": "plus", "access": False}, {"resource": VIDEO}, "NOT_IN_PLAN"),
        ({"plan": "strict", "access": False}, {"resource": VIDEO}, "NOT_IN_PLAN"),
        ({"plan": "plus"}, {"usage": Usage.of(output_tokens=200)}, "WINDOW_EXHAUSTED"),
        ({"plan": "deny"}, {"usage": Usage.of(output_tokens=200)}, "WINDOW_EXHAUSTED"),
        ({"payg": True}, {"resource": "voice/clone"}, "WALLET_EXHAUSTED"),
        ({"payg": True, "state": KeyState.DISABLED}, {}, "KEY_DISABLED"),
    ],
)
async def test_the_first_of_several_reasons_is_the_headline(
    quota: Quota, given: dict[str, Any], ask: dict[str, Any], headline: str
) -> None:
    await quota.team(**given)
    denied = await quota.denied(**ask)
    assert denied.denial.reason is DenialReason[headline]
    assert denied.denial.message


async def test_an_empty_pool_and_a_short_one_are_told_apart(quota: Quota) -> None:
    # given no seat (SEM-7)
    await quota.team(plan=None)
    await quota.grant("lot", 5)
    # then something, but not enough, is CREDITS_EXHAUSTED
    assert (await quota.denied(6)).denial.reason is DenialReason.CREDITS_EXHAUSTED
    # and so is something that is only held: it may come back
    reservation = await quota.reserve(5)
    denial = (await quota.denied(1)).denial
    assert (denial.reason, denial.only_in_flight) == (DenialReason.CREDITS_EXHAUSTED, True)
    # and nothing at all is NO_RESOURCES
    await quota.commit(reservation)
    denial = (await quota.denied(1)).denial
    assert (denial.reason, denial.only_in_flight) == (DenialReason.NO_RESOURCES, False)


async def test_what_is_held_of_a_revoked_lot_does_not_come_back(quota: Quota) -> None:
    # given all Credits held of a lot that is revoked under the hold (SEM-47)
    await quota.team(plan=None)
    await quota.grant("lot", 10)
    await quota.reserve(10)
    assert (await quota.denied(1)).denial.only_in_flight
    assert await quota.revoke("lot")
    # then nothing can become available again
    denial = (await quota.denied(1)).denial
    assert (denial.reason, denial.only_in_flight) == (DenialReason.NO_RESOURCES, False)


async def test_a_window_goes_before_the_pool(quota: Quota) -> None:
    # given both short: a seat makes the window the headline
    await quota.team()
    await quota.grant("lot", 5)
    await quota.commit(await quota.reserve(100))
    denial = (await quota.denied(6)).denial
    assert denial.reason is DenialReason.WINDOW_EXHAUSTED
    for figure in ("0.006 USD", "general/five_hour", "0.00 USD of 0.10 USD left"):
        assert figure in denial.message


# Every obstacle, per payer.


async def test_every_obstacle_is_listed_with_its_figures(quota: Quota, clock: Clock) -> None:
    # given both windows short, part of them held, and a pool that has too little, part of it held
    await quota.team()
    for _ in range(9):
        await quota.commit(await quota.reserve(100))
        clock.advance(6 * HOUR)
    await quota.commit(await quota.reserve(60))
    await quota.grant("lot", 10)
    await quota.reserve(46)
    # when a request fits nowhere
    denied = await quota.denied(50)
    # then each is named, with what it has, what is in use and when it recovers
    five_hours, week, pool = denied.denial.obstacles
    assert (five_hours.payer, five_hours.limit_id) == (Payer.PLAN, "general/five_hour")
    assert (five_hours.limit, five_hours.used, five_hours.held, five_hours.remaining) == (
        100 * CREDIT,
        60 * CREDIT,
        40 * CREDIT,
        0,
    )
    assert (week.limit_id, week.used // CREDIT, week.held // CREDIT) == ("general/week", 960, 40)
    assert week.reset_ms == clock() - 7 * HOUR - 54 * HOUR + 7 * DAY
    assert (pool.payer, pool.reason) == (Payer.CREDITS, DenialReason.CREDITS_EXHAUSTED)
    assert (pool.limit, pool.held, pool.remaining) == (50 * CREDIT, 6 * CREDIT, 4 * CREDIT)
    # and the windows of the answer say which of them deny
    assert [(s.limit_id, s.denied) for s in denied.limits] == [
        ("general/five_hour", True),
        ("general/week", True),
    ]
    team = (await Books.read(quota.executor)).team(TEAM)
    assert denied.seq == team.counters["seq"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"plan": None, "access": False}, [(Payer.CREDITS, "CREDITS_ACCESS_OFF")]),
        ({"plan": None}, [(Payer.CREDITS, "CREDITS_EXHAUSTED")]),
        (
            {"plan": "plus", "access": False},
            [(Payer.PLAN, "NOT_IN_PLAN"), (Payer.CREDITS, "CREDITS_ACCESS_OFF")],
        ),
        ({"plan": "plus"}, [(Payer.PLAN, "NOT_IN_PLAN"), (Payer.CREDITS, "CREDITS_EXHAUSTED")]),
        ({"plan": "deny"}, [(Payer.PLAN, "NOT_IN_PLAN")]),
        ({"plan": "deny", "access": False}, [(Payer.PLAN, "NOT_IN_PLAN")]),
        ({"payg": True}, [(Payer.WALLET, "WALLET_EXHAUSTED")]),
    ],
)
async def test_each_payer_has_its_obstacle(
    quota: Quota, given: dict[str, Any], expected: list[tuple[Payer, str]]
) -> None:
    await quota.team(**given)
    assert obstacles((await quota.denied(resource=VIDEO)).denial) == expected


async def test_a_key_that_is_not_good_has_no_obstacles_and_no_remedies(quota: Quota) -> None:
    await quota.team(state=KeyState.DISABLED)
    denial = (await quota.denied(1)).denial
    assert (denial.obstacles, denial.remedies, denial.retry_after_ms) == ((), (), None)
    assert not denial.only_in_flight


# Remedies by role (B14, SEM-9, SEM-48).


async def exhausted(quota: Quota, **given: Any) -> Denial:
    """The denial of a seat whose 5-hour window is used up, for a request of 60."""
    await quota.team(**given)
    await quota.commit(await quota.reserve(100))
    return (await quota.denied(60)).denial


async def test_an_owner_may_wait_top_up_upgrade_or_pay_as_they_go(quota: Quota) -> None:
    denial = await exhausted(quota)
    assert kinds(denial) == ["WAIT", "USE_CREDITS", "UPGRADE", "SWITCH_TO_PAYG"]
    wait, credits, upgrade, _ = denial.remedies
    assert wait.until_ms == quota.clock() + (denial.retry_after_ms or 0)
    assert credits.message == "Top up the team's Credits."
    assert upgrade.plans == ("max",)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.READER])
async def test_others_ask_for_a_seat_and_for_credits(quota: Quota, role: Role) -> None:
    # given members who may not buy
    denial = await exhausted(quota, role=role, free_seats=3)
    # then they are told whom to ask, and how many seats are free
    assert kinds(denial) == ["WAIT", "USE_CREDITS", "ASK_ASSIGNMENT", "SWITCH_TO_PAYG"]
    assert denial.remedies[2].free_seats == 3
    assert messages(denial)[RemedyKind.USE_CREDITS] == ("Ask an Owner: top up the team's Credits.")


@pytest.mark.parametrize(
    ("role", "message"),
    [
        (Role.OWNER, "Switch on this member's access to Credits."),
        (Role.ADMIN, "Switch on this member's access to Credits."),  # G5: theirs to do as well
        (Role.READER, "Ask an Owner or Admin: switch on this member's access to Credits."),
    ],
)
async def test_switched_off_access_is_what_would_have_to_change(
    quota: Quota, role: Role, message: str
) -> None:
    denial = await exhausted(quota, access=False, role=role)
    assert messages(denial)[RemedyKind.USE_CREDITS] == message


@pytest.mark.parametrize("access", [True, False])
async def test_credits_are_no_remedy_where_the_plan_does_not_overflow(
    quota: Quota, *, access: bool
) -> None:
    denial = await exhausted(quota, plan="deny", access=access)
    assert kinds(denial) == ["WAIT", "UPGRADE", "SWITCH_TO_PAYG"]


async def test_waiting_is_no_remedy_for_what_time_does_not_cure(quota: Quota) -> None:
    await quota.team(access=False)
    assert kinds((await quota.denied(resource=VIDEO)).denial) == ["USE_CREDITS", "SWITCH_TO_PAYG"]
    assert "WAIT" not in kinds((await quota.denied(101)).denial)


@pytest.mark.parametrize(
    ("plan_id", "tokens", "plans"),
    [
        (None, 60, ("plus", "strict", "absorb", "deny", "unlimited", "max")),
        (None, 101, ("plus", "absorb", "unlimited", "max")),  # with the one credit of the lot
        (None, 501, ("absorb", "unlimited", "max")),
        (None, 502, ("absorb", "unlimited")),
        ("plus", 101, ("max",)),
        ("plus", 501, ()),
        ("max", 501, ()),
    ],
)
async def test_an_upgrade_is_to_a_larger_plan_with_room_for_the_request(
    quota: Quota, plan_id: str | None, tokens: int, plans: tuple[str, ...]
) -> None:
    # given a request that is too large, or a member who has no seat
    await quota.team(plan=plan_id, access=plan_id is None)
    await quota.grant("lot", 1)
    denial = (await quota.denied(tokens)).denial
    # then the plans above the present one that would take it are named, cheapest first
    upgrades = [remedy for remedy in denial.remedies if remedy.kind is RemedyKind.UPGRADE]
    assert [remedy.plans for remedy in upgrades] == ([plans] if plans else [])
    if plans:
        verb = "Buy a seat" if plan_id is None else "Upgrade the seat"
        assert upgrades[0].message == f"{verb}: {plans[0]}."


@pytest.mark.parametrize(("tokens", "plans"), [(60, ("max",)), (61, ())])
async def test_an_upgrade_is_told_with_what_was_used_and_the_credits_that_would_help(
    quota: Quota, tokens: int, plans: tuple[str, ...]
) -> None:
    # given 450 used, of which 100 are too many for this plan and 50 are left on the larger one,
    # whose counter is the same (SEM-18), and 10 credits (D6)
    await quota.team(plan="max")
    await quota.commit(await quota.reserve(450))
    await quota.team(plan="plus")
    await quota.grant("lot", 10)
    # then only what would be admitted there is promised
    remedies = (await quota.denied(tokens)).denial.remedies
    upgrades = [remedy.plans for remedy in remedies if remedy.kind is RemedyKind.UPGRADE]
    assert upgrades == ([plans] if plans else [])


@pytest.mark.parametrize(
    ("given", "ask", "reason"),
    [
        ({}, {"resource": "voice/clone"}, "NOT_COVERED"),
        ({}, {"resource": "no/such"}, "UNKNOWN_RESOURCE"),
        ({"plan": None, "access": False}, {}, "NO_RESOURCES"),
        ({"state": KeyState.DISABLED}, {}, "KEY_DISABLED"),
        ({"state": KeyState.DELETED}, {}, "KEY_INVALID"),
    ],
)
async def test_a_denial_without_a_look_at_balances_carries_the_teams_seq(
    quota: Quota, given: dict[str, Any], ask: dict[str, Any], reason: str
) -> None:
    # given a team that has lived a little (D7)
    await quota.team()
    await quota.commit(await quota.reserve(1))
    await quota.team(**given)
    denied = await quota.denied(**ask)
    assert denied.denial.reason is DenialReason[reason]
    assert denied.seq == (await Books.read(quota.executor)).team(TEAM).counters["seq"]


async def test_a_plan_that_is_not_sold_or_does_not_include_it_is_no_upgrade(
    executor: Executor, clock: Clock
) -> None:
    # given the larger plan retired
    retired = tuple(replace(p, sellable=p.plan_id != "max") for p in PLANS)
    quota = Quota(executor, clock, catalog(plans=retired))
    assert "UPGRADE" not in kinds(await exhausted(quota))
    # and images, which no plan but the smallest includes
    await quota.team(plan="strict", access=False)
    denial = (await quota.denied(resource=IMAGE)).denial
    assert denial.reason is DenialReason.NOT_IN_PLAN
    assert "UPGRADE" not in kinds(denial)


async def test_outside_coverage_only_a_payg_key_helps(quota: Quota) -> None:
    # B4
    await quota.team()
    assert kinds((await quota.denied(resource="voice/clone")).denial) == ["SWITCH_TO_PAYG"]


async def test_without_resources_an_owner_may_buy_either(quota: Quota) -> None:
    await quota.team(plan=None, access=False)
    denial = (await quota.denied(10)).denial
    assert kinds(denial) == ["USE_CREDITS", "UPGRADE", "SWITCH_TO_PAYG"]
    assert denial.message == "This key has no seat and no Credits that it may use."


# What is said.


@pytest.mark.parametrize(
    ("given", "ask", "message"),
    [
        ({"plan": None}, {}, "This key has no seat, and the team's Credits are empty."),
        ({}, {"resource": VIDEO}, "Plan plus does not include video/a."),
        (
            {"access": False},
            {"resource": IMAGE, "usage": Usage.of(images=11)},
            "The request needs 11 images, and plus's images/day has 10 images of 10 images left.",
        ),
    ],
)
async def test_the_message_has_the_figures_that_matter(
    quota: Quota, given: dict[str, Any], ask: dict[str, Any], message: str
) -> None:
    await quota.team(**given)
    assert (await quota.denied(**ask)).denial.message == message


async def test_a_short_pool_is_told_in_money(quota: Quota) -> None:
    await quota.team(plan=None)
    await quota.grant("lot", 1_250)
    assert (await quota.denied(2_000)).denial.message == (
        "The request needs 2.00 USD and the team's Credits have 1.25 USD."
    )
