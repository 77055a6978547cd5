"""What DecisionService asks of its plane, answers, and tells telemetry."""

from __future__ import annotations

import time
from dataclasses import replace

from google.protobuf.duration_pb2 import Duration

from quotasvc.api.call import Call
from quotasvc.api.decision import DecisionApi
from quotasvc.api.page import from_place_token
from quotasvc.api.parse import from_pb_record_usage
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.outcome import Denial, DenialReason, Denied, Extended, Recorded
from quotasvc.domain.reservation import Reservation, State
from quotasvc.planes.ask import Listing, Report
from quotasvc.planes.decision import DecisionPlane
from quotasvc.telemetry import Telemetry
from quotasvc.v1 import decision_pb2
from tests.support.catalogs import catalog
from tests.unit.test_render import RESERVATION
from tests.unit.test_render_record import RECORDED

CALL = Call(deadline=7.0)
REPORT = decision_pb2.RecordUsageRequest(request_id="r1", key_id="acme_k1", resource="text/a")
DENIED = Denied(denial=Denial(reason=DenialReason.KEY_INVALID, message="no"))


class Plane(DecisionPlane):
    """Answers as it is told, and remembers what it was asked."""

    def __init__(
        self,
        *,
        recorded: Recorded | Denied = RECORDED,
        listed: tuple[tuple[Reservation, ...], tuple[int, str] | None] = ((), None),
    ) -> None:
        self._recorded = recorded
        self._listed = listed
        self.asked: list[tuple[object, ...]] = []

    @property
    def catalog(self) -> Catalog:
        """The tests' own."""
        return catalog()

    async def record_usage(self, report: Report, deadline: float) -> Recorded | Denied:
        """As told."""
        self.asked.append((report, deadline))
        return self._recorded

    async def extend(self, reservation_id: str, hold_ms: int | None, deadline: float) -> Extended:
        """As if the hold had begun at 0."""
        self.asked.append((reservation_id, hold_ms, deadline))
        return Extended(expire_ms=hold_ms or 600_000, seq=2)

    async def list_reservations(
        self, listing: Listing, deadline: float
    ) -> tuple[tuple[Reservation, ...], tuple[int, str] | None]:
        """As told."""
        self.asked.append((listing, deadline))
        return self._listed


def serving(plane: Plane) -> tuple[DecisionApi, Telemetry]:
    telemetry = Telemetry(clock_ns=time.time_ns)
    return DecisionApi(plane, telemetry), telemetry


async def written_off(recorded: Recorded | Denied) -> str:
    """The metrics after one report."""
    api, telemetry = serving(Plane(recorded=recorded))
    await api.record_usage(REPORT, CALL)
    shown = telemetry.exposition().decode()
    assert "quotasvc_decisions_total{" not in shown
    [line] = [x for x in shown.splitlines() if x.startswith("quotasvc_written_off_nanos_total")]
    return line.rpartition(" ")[2]


async def test_recorded_use_that_nobody_can_pay_is_counted_once() -> None:
    fresh = replace(RECORDED, committed=replace(RECORDED.committed, replayed=False))
    assert await written_off(fresh) == "10.0"
    assert await written_off(RECORDED) == "0.0"
    assert await written_off(DENIED) == "0.0"


async def test_a_report_is_charged_or_denied() -> None:
    plane = Plane()
    answer = await serving(plane)[0].record_usage(REPORT, CALL)
    assert (answer.decision, answer.reservation_id) == (decision_pb2.ALLOW, "r1.x")
    assert plane.asked == [(from_pb_record_usage(REPORT), 7.0)]
    denied = await serving(Plane(recorded=DENIED))[0].record_usage(REPORT, CALL)
    assert (denied.decision, denied.HasField("denial")) == (decision_pb2.DENY, True)


async def test_a_hold_is_extended_by_what_was_sent() -> None:
    plane = Plane()
    api, _ = serving(plane)
    request = decision_pb2.ExtendRequest(
        reservation_id="r1.x", hold_duration=Duration(seconds=5, nanos=1)
    )
    answer = await api.extend(request, CALL)
    assert (answer.expire_time.ToMilliseconds(), answer.seq) == (5_001, 2)
    await api.extend(decision_pb2.ExtendRequest(reservation_id="r1.x"), CALL)
    assert plane.asked == [("r1.x", 5_001, 7.0), ("r1.x", None, 7.0)]


async def test_a_page_of_reservations_says_where_the_next_one_starts() -> None:
    plane = Plane(listed=((RESERVATION,), (1_000, "r1.x")))
    api, _ = serving(plane)
    request = decision_pb2.ListReservationsRequest(team_id="acme", page_size=1)
    answer = await api.list_reservations(request, CALL)
    [shown] = answer.reservations
    assert (shown.reservation_id, shown.currency) == ("r1.x", "USD")
    assert from_place_token(answer.next_page_token) == (1_000, "r1.x")
    request.page_token = answer.next_page_token
    await api.list_reservations(request, CALL)
    first = Listing(team_id="acme", state=State.HELD, size=1, after=None)
    assert plane.asked == [(first, 7.0), (replace(first, after=(1_000, "r1.x")), 7.0)]


async def test_the_last_page_says_so() -> None:
    request = decision_pb2.ListReservationsRequest(team_id="acme")
    answer = await serving(Plane())[0].list_reservations(request, CALL)
    assert (list(answer.reservations), answer.next_page_token) == ([], "")
