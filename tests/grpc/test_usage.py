"""What people and dashboards read: bars, balances and lots, through the whole road."""

from __future__ import annotations

import grpc
import pytest

from quotasvc.v1.common_pb2 import Balance
from quotasvc.v1.usage_pb2 import GetBalanceRequest, GetRemainsRequest, ListLotsRequest
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, START_MS
from tests.support.door import Caller, refusal
from tests.support.quota import OWNER_KEY, TEAM, Quota


async def five_hours(caller: Caller) -> tuple[int, int, int]:
    """Used, held and percent of the general allowance."""
    answer = await caller.remains(GetRemainsRequest(key_id=OWNER_KEY))
    general = answer.allowances[0]
    window = general.windows[0]
    assert window.limit_id == "general/five_hour"
    return window.used, window.held, general.percent_used


async def test_bars_move_by_exactly_what_was_held_and_committed(
    caller: Caller, quota: Quota
) -> None:
    await quota.team()
    assert await five_hours(caller) == (0, 0, 0)
    reservation = await quota.reserve(30)
    assert await five_hours(caller) == (0, 30 * CREDIT, 30)
    await quota.commit(reservation, 12)
    assert await five_hours(caller) == (12 * CREDIT, 0, 12)


async def test_remains_shows_the_plan_with_each_allowance(caller: Caller, quota: Quota) -> None:
    await quota.team()
    answer = await caller.remains(GetRemainsRequest(api_key=quota.api_key().text))
    assert (answer.plan, answer.seat_id, answer.catalog_version) == ("plus", "s1", "testtest")
    assert {a.allowance_id: (a.unit, a.status) for a in answer.allowances} == {
        "general": ("cost", "ok"),
        "images": ("images", "ok"),
        "video": ("clips", "not_in_plan"),
        "vlm": ("requests", "ok"),
    }
    assert answer.HasField("credits")
    assert not answer.HasField("wallet")


async def test_a_pay_as_you_go_key_sees_its_wallet(caller: Caller, quota: Quota) -> None:
    await quota.team(payg=True)
    await quota.top_up_wallet(50)
    answer = await caller.remains(GetRemainsRequest(api_key=quota.api_key(payg=True).text))
    assert (answer.plan, answer.seat_id, len(answer.allowances)) == ("", "", 0)
    assert answer.wallet.available_nanos == 50 * CREDIT
    assert not answer.HasField("credits")


async def test_credits_that_one_may_not_use_are_not_shown(caller: Caller, quota: Quota) -> None:
    await quota.team(access=False)
    await quota.grant("lot", 50)
    answer = await caller.remains(GetRemainsRequest(key_id=OWNER_KEY))
    assert not answer.HasField("credits")


async def test_a_balance_tells_available_held_and_spent_apart(caller: Caller, quota: Quota) -> None:
    await quota.team(plan=None)
    await quota.grant("lot", 100)
    await quota.commit(await quota.reserve(30), 10)
    await quota.reserve(20)
    answer = await caller.balance(GetBalanceRequest(team_id=TEAM, actor_user_id="ann"))
    assert answer.credits == Balance(
        available_nanos=70 * CREDIT,
        held_nanos=20 * CREDIT,
        settled_nanos=10 * CREDIT,
        currency="USD",
    )
    assert answer.wallet == Balance(currency="USD")


async def test_lots_are_listed_page_by_page_in_the_order_of_drawing(
    caller: Caller, quota: Quota
) -> None:
    await quota.team()
    for lot_id, days in (("never", None), ("last", 30), ("first", 10), ("second", 20)):
        await quota.grant(lot_id, 5, days=days)
    seen, token, pages = [], "", 0
    while pages == 0 or token:
        answer = await caller.lots(ListLotsRequest(key_id=OWNER_KEY, page_size=3, page_token=token))
        seen += [lot.lot_id for lot in answer.lots]
        token, pages = answer.next_page_token, pages + 1
        assert answer.currency == "USD"
    assert (seen, pages) == (["first", "second", "last", "never"], 2)


async def test_a_lot_shows_when_it_was_bought_and_when_it_ends(
    caller: Caller, quota: Quota
) -> None:
    await quota.team()
    await quota.grant("lot", 5, days=10)
    [lot] = (await caller.lots(ListLotsRequest(key_id=OWNER_KEY))).lots
    assert (lot.origin, lot.granted_nanos, lot.available_nanos) == (
        "top_up",
        5 * CREDIT,
        5 * CREDIT,
    )
    assert lot.purchase_time.ToMilliseconds() == START_MS
    assert lot.expire_time.ToMilliseconds() == START_MS + 10 * DAY


STRANGERS = {
    "made-up key": GetRemainsRequest(api_key="qsk_made_up"),
    "unknown key id": GetRemainsRequest(key_id="acme_k9"),
    "unknown team": GetRemainsRequest(team_id="nobody", actor_user_id="ann"),
    "no member": GetRemainsRequest(team_id=TEAM, actor_user_id="bob"),
    "no team id": GetRemainsRequest(team_id="q1:{p0}:x", actor_user_id="ann"),
}


@pytest.mark.parametrize("case", STRANGERS)
async def test_strangers_are_not_found(caller: Caller, quota: Quota, case: str) -> None:
    await quota.team()
    refused = await refusal(caller.remains(STRANGERS[case]))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_a_page_token_of_another_list_is_refused(caller: Caller, quota: Quota) -> None:
    await quota.team()
    request = ListLotsRequest(key_id=OWNER_KEY, page_token="made-up")
    refused = await refusal(caller.lots(request))
    assert (refused.code, refused.field) == (grpc.StatusCode.INVALID_ARGUMENT, "page_token")
