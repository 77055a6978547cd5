"""Pay-as-you-go keys: the wallet, nothing but the wallet, and nothing in its way (A8, H)."""

from __future__ import annotations

import pytest

from quotasvc.domain.outcome import DenialReason, Denied, RemedyKind
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import Role
from quotasvc.domain.unit import COST, Usage
from tests.support.catalogs import CREDIT
from tests.support.people import key, member, team
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def wallet(quota: Quota) -> tuple[int, int, int]:
    """(available, held, settled) of the team's wallet in whole credits."""
    found = (await quota.remains()).wallet
    assert found is not None
    return found.available // CREDIT, found.held // CREDIT, found.settled // CREDIT


async def test_a_payg_key_spends_the_wallet_by_actual_usage(quota: Quota) -> None:
    # given a funded wallet, and a seat and Credits that are none of its business (A8, A9)
    await quota.team(payg=True)
    await quota.grant("lot", 100)
    await quota.top_up_wallet(1_000)
    # when more is held than used (H3)
    reservation = await quota.reserve(600)
    assert [(leg.payer, leg.source, leg.nanos) for leg in reservation.legs] == [
        (Payer.WALLET, "wallet", 600 * CREDIT)
    ]
    assert await wallet(quota) == (400, 600, 0)
    await quota.commit(reservation, 250)
    # then the usage is paid and the rest is back, and no window saw any of it (H4)
    assert await wallet(quota) == (750, 0, 250)
    assert reservation.limits == ()
    assert await quota.available() == {"lot": 100}


async def test_plan_windows_do_not_limit_a_payg_key(quota: Quota) -> None:
    # given a request ten times the 5-hour limit of the member's seat (H4)
    await quota.team(payg=True)
    await quota.top_up_wallet(5_000)
    assert [leg.payer for leg in (await quota.reserve(1_000)).legs] == [Payer.WALLET]


async def test_an_empty_wallet_falls_back_to_nothing(quota: Quota) -> None:
    # given Credits and a seat, and 5 credits' worth in the wallet (B12)
    await quota.team(payg=True)
    await quota.grant("lot", 1_000)
    await quota.top_up_wallet(5)
    # when 6 are asked for
    answer = await quota.denied(6)
    # then the wallet alone is looked at
    assert answer.denial.reason is DenialReason.WALLET_EXHAUSTED
    obstacle = answer.denial.obstacles[0]
    assert len(answer.denial.obstacles) == 1
    assert (obstacle.payer, obstacle.unit) == (Payer.WALLET, COST)
    assert (obstacle.limit, obstacle.remaining, obstacle.held) == (6 * CREDIT, 5 * CREDIT, 0)
    assert (
        answer.denial.message == "The request needs 0.006 USD and the team's wallet has 0.005 USD."
    )
    # and time does not cure it: only a top-up does (SEM-48)
    assert answer.denial.retry_after_ms is None
    assert [remedy.kind for remedy in answer.denial.remedies] == [RemedyKind.TOP_UP_WALLET]


async def test_a_wallet_that_was_never_topped_up_is_empty(quota: Quota) -> None:
    await quota.team(payg=True)
    assert (await quota.denied(1)).denial.reason is DenialReason.WALLET_EXHAUSTED


async def test_a_wallet_short_because_of_holds_says_so(quota: Quota) -> None:
    # given a wallet whose money is all held (SEM-8)
    await quota.team(payg=True)
    await quota.top_up_wallet(10)
    await quota.reserve(8)
    # when the rest is not enough
    denial = (await quota.denied(3)).denial
    # then asking again soon may help
    assert denial.only_in_flight
    assert denial.retry_after_ms == 1_000
    assert denial.obstacles[0].held == 8 * CREDIT
    assert [remedy.kind for remedy in denial.remedies] == [
        RemedyKind.WAIT,
        RemedyKind.TOP_UP_WALLET,
    ]


async def test_the_wallet_is_the_teams_whoever_made_the_key(quota: Quota) -> None:
    # given keys of two members (A14, H1)
    await quota.put(
        team(
            (member("ann", Role.OWNER), member("bob")),
            keys=(key(1, "ann", payg=True), key(2, "bob", payg=True)),
        )
    )
    await quota.top_up_wallet(10)
    # when both spend
    await quota.commit(await quota.reserve(4, key_id="acme_k1"))
    await quota.commit(await quota.reserve(5, key_id="acme_k2"))
    # then one wallet paid
    assert await wallet(quota) == (1, 0, 9)
    answer = await quota.decide(quota.ask(2, key_id="acme_k2"))
    assert isinstance(answer, Denied)


async def test_a_payg_key_reaches_what_a_subscription_key_cannot(quota: Quota) -> None:
    # given a resource outside the subscriptions' coverage (A9, B4)
    await quota.team(payg=True)
    await quota.top_up_wallet(10)
    reservation = await quota.reserve(resource="voice/clone", usage=Usage.of(characters=3))
    assert [(leg.payer, leg.nanos) for leg in reservation.legs] == [(Payer.WALLET, 3 * CREDIT)]


async def test_more_than_was_held_is_drawn_from_the_wallet_and_then_written_off(
    quota: Quota,
) -> None:
    # given a wallet of 10 of which 4 are held (SEM-27)
    await quota.team(payg=True)
    await quota.top_up_wallet(10)
    reservation = await quota.reserve(4)
    # when 15 were used
    committed = await quota.commit(reservation, 15)
    # then the wallet pays all it has, in one leg, and the rest is a loss
    assert [(leg.source, leg.nanos // CREDIT) for leg in committed.legs] == [("wallet", 10)]
    assert committed.actual_nanos == 15 * CREDIT
    assert committed.written_off_nanos == 5 * CREDIT
    assert await wallet(quota) == (0, 0, 10)
    # and a refund gives back what was paid, not what was written off
    refunded = await quota.refund(reservation, "f1")
    assert [leg.nanos // CREDIT for leg in refunded.refunded] == [10]
    assert await wallet(quota) == (10, 0, 0)
