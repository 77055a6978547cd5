"""What the planes say is what callers read, in the contract's types."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from quotasvc.api import render
from quotasvc.domain.lot import Balance, Lot
from quotasvc.domain.outcome import (
    Allowed,
    Committed,
    Denial,
    DenialReason,
    Denied,
    LimitStatus,
    Obstacle,
    Refunded,
    Remedy,
    RemedyKind,
)
from quotasvc.domain.reservation import Leg, Payer, Reservation, State
from quotasvc.planes.usage import AllowanceStatus, Remains
from quotasvc.v1 import common_pb2, decision_pb2, usage_pb2
from tests.support.catalogs import catalog

PLAN_LEG = Leg(payer=Payer.PLAN, source="s1/general", unit="cost", amount=70, nanos=70)
LOT_LEG = Leg(payer=Payer.CREDITS, source="lot1", unit="cost", amount=30, nanos=30, expire_ms=1_500)
PB_PLAN_LEG = common_pb2.Leg(
    payer=common_pb2.PLAN, source="s1/general", unit="cost", amount=70, amount_nanos=70
)
PB_LOT_LEG = common_pb2.Leg(
    payer=common_pb2.CREDITS,
    source="lot1",
    unit="cost",
    amount=30,
    amount_nanos=30,
    expire_time=Timestamp(seconds=1, nanos=500_000_000),
)

WINDOW = LimitStatus(
    limit_id="general/week", kind="aligned", unit="cost", limit=100, used=90, held=20, reset_ms=7
)
PB_WINDOW = common_pb2.LimitStatus(
    limit_id="general/week",
    payer=common_pb2.PLAN,
    kind="aligned",
    unit="cost",
    limit=100,
    included=True,
    used=90,
    held=20,
    over=10,
    reset_time=Timestamp(nanos=7_000_000),
)

ALLOWED = Allowed(
    reservation_id="r1.x",
    state=State.HELD,
    expire_ms=2_000,
    legs=(PLAN_LEG, LOT_LEG),
    cost_nanos=100,
    limits=(WINDOW,),
    replayed=False,
    seq=9,
    catalog_version="pinned00",
)

RESERVATION = Reservation(
    reservation_id="r1.x",
    state=State.COMMITTED,
    resource="text/a",
    admit_ms=1_000,
    expire_ms=2_000,
    settle_ms=1_001,
    held_legs=(PLAN_LEG, LOT_LEG),
    charged_legs=(PLAN_LEG,),
    cost_nanos=100,
    actual_nanos=75,
    written_off_nanos=5,
    refunded_nanos=3,
    late=True,
    catalog_version="pinned00",
    reserve_seq=1,
    settle_seq=2,
)


def test_an_allowed_request_shows_who_pays_and_until_when() -> None:
    assert render.to_pb_decision(ALLOWED, catalog()) == decision_pb2.CheckAndReserveResponse(
        decision=decision_pb2.ALLOW,
        reservation_id="r1.x",
        reservation_state=common_pb2.HELD,
        expire_time=Timestamp(seconds=2),
        payer=common_pb2.PLAN,
        legs=[PB_PLAN_LEG, PB_LOT_LEG],
        cost_nanos=100,
        limits=[PB_WINDOW],
        seq=9,
        catalog_version="pinned00",
        currency="USD",
    )


def test_a_free_request_has_no_payer() -> None:
    answer = render.to_pb_decision(replace(ALLOWED, legs=(), cost_nanos=0), catalog())
    assert answer.payer == common_pb2.PAYER_UNSPECIFIED
    assert not answer.may_fail_open


def test_only_what_the_plan_pays_whole_may_fail_open() -> None:
    assert not render.to_pb_decision(ALLOWED, catalog()).may_fail_open
    paid_by_plan = replace(ALLOWED, legs=(PLAN_LEG,))
    assert render.to_pb_decision(paid_by_plan, catalog()).may_fail_open


def test_a_bare_check_has_neither_id_nor_state_nor_expiry() -> None:
    bare = replace(ALLOWED, reservation_id="", state=None, expire_ms=None)
    answer = render.to_pb_decision(bare, catalog())
    assert answer.reservation_state == common_pb2.RESERVATION_STATE_UNSPECIFIED
    assert not answer.HasField("expire_time")


def test_a_denial_explains_itself() -> None:
    denial = Denial(
        reason=DenialReason.WINDOW_EXHAUSTED,
        message="no room",
        retry_after_ms=61_001,
        only_in_flight=True,
        obstacles=(
            Obstacle(
                payer=Payer.PLAN,
                reason=DenialReason.WINDOW_EXHAUSTED,
                limit_id="general/week",
                unit="cost",
                limit=100,
                used=90,
                held=10,
                remaining=0,
                reset_ms=5_000,
            ),
        ),
        remedies=(
            Remedy(kind=RemedyKind.WAIT, message="wait", until_ms=5_000),
            Remedy(kind=RemedyKind.UPGRADE, message="upgrade", plans=("max",), free_seats=2),
        ),
    )
    answer = render.to_pb_decision(Denied(denial=denial, limits=(WINDOW,), seq=4), catalog())
    assert answer == decision_pb2.CheckAndReserveResponse(
        decision=decision_pb2.DENY,
        limits=[PB_WINDOW],
        denial=common_pb2.Denial(
            reason=common_pb2.WINDOW_EXHAUSTED,
            message="no room",
            retry_after=Duration(seconds=61, nanos=1_000_000),
            only_in_flight=True,
            obstacles=[
                common_pb2.Obstacle(
                    payer=common_pb2.PLAN,
                    limit_id="general/week",
                    reason=common_pb2.WINDOW_EXHAUSTED,
                    reset_time=Timestamp(seconds=5),
                    limit=100,
                    used=90,
                    held=10,
                    unit="cost",
                )
            ],
            remedies=[
                common_pb2.Remedy(
                    kind=common_pb2.Remedy.WAIT, message="wait", until_time=Timestamp(seconds=5)
                ),
                common_pb2.Remedy(
                    kind=common_pb2.Remedy.UPGRADE, message="upgrade", plans=["max"], free_seats=2
                ),
            ],
        ),
        seq=4,
        catalog_version="testtest",
        currency="USD",
    )


def test_a_denial_that_time_does_not_cure_has_no_retry_after() -> None:
    denial = Denial(reason=DenialReason.NOT_COVERED, message="never")
    answer = render.to_pb_decision(Denied(denial=denial), catalog())
    assert not answer.denial.HasField("retry_after")


def test_no_limit_and_nothing_included_are_told_apart() -> None:
    unlimited = replace(WINDOW, limit=None, reset_ms=None)
    nothing = replace(WINDOW, limit=0, used=0, held=0)
    answer = render.to_pb_decision(replace(ALLOWED, limits=(unlimited, nothing)), catalog())
    shown, empty = answer.limits
    assert (shown.unlimited, shown.included, shown.limit, shown.remaining) == (True, True, 0, 0)
    assert (empty.unlimited, empty.included, empty.limit) == (False, False, 0)
    assert not shown.HasField("reset_time")


def test_a_commit_shows_its_figures() -> None:
    committed = Committed(
        legs=(PLAN_LEG, LOT_LEG),
        actual_nanos=110,
        written_off_nanos=10,
        late=True,
        attributes_unmatched=True,
        limits=(WINDOW,),
        replayed=True,
        seq=3,
    )
    assert render.to_pb_commit(committed, "USD") == decision_pb2.CommitResponse(
        legs=[PB_PLAN_LEG, PB_LOT_LEG],
        actual_nanos=110,
        charged_nanos=100,
        written_off_nanos=10,
        late=True,
        attributes_unmatched=True,
        limits=[PB_WINDOW],
        replayed=True,
        seq=3,
        currency="USD",
    )


def test_a_refund_sums_what_went_back() -> None:
    refunded = Refunded(
        state=State.COMMITTED,
        released=(),
        refunded=(replace(PLAN_LEG, window_gone=True), LOT_LEG),
        expired_nanos=30,
        revoked_nanos=0,
        replayed=False,
        seq=4,
    )
    gone = common_pb2.Leg()
    gone.CopyFrom(PB_PLAN_LEG)
    gone.window_gone = True
    assert render.to_pb_refund(refunded, "USD") == decision_pb2.RefundResponse(
        state=common_pb2.COMMITTED,
        refunded=[gone, PB_LOT_LEG],
        refunded_nanos=100,
        expired_nanos=30,
        seq=4,
        currency="USD",
    )


def test_a_reservation_shows_all_its_figures() -> None:
    assert render.to_pb_reservation(RESERVATION, "USD") == decision_pb2.Reservation(
        reservation_id="r1.x",
        state=common_pb2.COMMITTED,
        resource="text/a",
        admit_time=Timestamp(seconds=1),
        expire_time=Timestamp(seconds=2),
        settle_time=Timestamp(seconds=1, nanos=1_000_000),
        held_legs=[PB_PLAN_LEG, PB_LOT_LEG],
        charged_legs=[PB_PLAN_LEG],
        cost_nanos=100,
        actual_nanos=75,
        charged_nanos=70,
        written_off_nanos=5,
        refunded_nanos=3,
        late=True,
        catalog_version="pinned00",
        currency="USD",
    )


def test_remains_shows_bars_and_only_the_balances_that_are_ones_own() -> None:
    allowance = AllowanceStatus(
        allowance_id="general", resources=("text/a",), unit="cost", windows=(WINDOW,)
    )
    remains = Remains(
        plan="plus",
        seat_id="s1",
        allowances=(allowance,),
        credits=Balance(available=5, held=4, waiting=3, settled=2),
        wallet=None,
        catalog_version="testtest",
    )
    assert render.to_pb_remains(remains, "USD") == usage_pb2.GetRemainsResponse(
        plan="plus",
        seat_id="s1",
        allowances=[
            usage_pb2.AllowanceStatus(
                allowance_id="general",
                resources=["text/a"],
                unit="cost",
                percent_used=100,
                status="exhausted",
                windows=[PB_WINDOW],
            )
        ],
        credits=common_pb2.Balance(
            available_nanos=5, held_nanos=4, waiting_nanos=3, settled_nanos=2, currency="USD"
        ),
        catalog_version="testtest",
    )


def test_an_empty_balance_is_shown_where_it_is_ones_own() -> None:
    nothing = Balance(available=0, held=0, waiting=0, settled=0)
    remains = Remains(
        plan="", seat_id="", allowances=(), credits=nothing, wallet=None, catalog_version="v"
    )
    shown = render.to_pb_remains(remains, "USD")
    assert shown.HasField("credits")
    assert not shown.HasField("wallet")


def test_a_lot_shows_where_every_nano_is() -> None:
    lot = Lot(
        lot_id="lot1",
        origin="top_up",
        granted=15,
        available=1,
        held=2,
        consumed=3,
        expired=4,
        revoked=5,
        purchase_ms=1_000,
        grant_ms=2_000,
        expire_ms=None,
        waiting=True,
    )
    assert render.to_pb_lot(lot) == usage_pb2.Lot(
        lot_id="lot1",
        origin="top_up",
        granted_nanos=15,
        available_nanos=1,
        held_nanos=2,
        consumed_nanos=3,
        expired_nanos=4,
        revoked_nanos=5,
        purchase_time=Timestamp(seconds=1),
        grant_time=Timestamp(seconds=2),
        waiting=True,
    )
