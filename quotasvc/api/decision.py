"""DecisionService: parse, ask the plane, render."""

from __future__ import annotations

from quotasvc.api import parse, render
from quotasvc.api.call import Call
from quotasvc.api.page import to_place_token
from quotasvc.domain.outcome import Recorded
from quotasvc.planes.decision import DecisionPlane
from quotasvc.telemetry import Telemetry
from quotasvc.v1 import decision_pb2


class DecisionApi:
    """The methods of DecisionService, by their names in snake case."""

    def __init__(self, plane: DecisionPlane, telemetry: Telemetry) -> None:
        self._plane = plane
        self._telemetry = telemetry

    async def check_and_reserve(
        self, request: decision_pb2.CheckAndReserveRequest, call: Call
    ) -> decision_pb2.CheckAndReserveResponse:
        """May this request proceed, and who pays?"""
        ask = parse.from_pb_check_and_reserve(request)
        answer = await self._plane.check_and_reserve(ask, call.deadline)
        self._telemetry.decision(answer)
        return render.to_pb_decision(answer, self._plane.catalog)

    async def commit(
        self, request: decision_pb2.CommitRequest, call: Call
    ) -> decision_pb2.CommitResponse:
        """Turns a hold into spend at the actual usage."""
        reservation_id, settle = parse.from_pb_commit(request)
        answer = await self._plane.commit(reservation_id, settle, call.deadline)
        self._telemetry.commit(answer)
        return render.to_pb_commit(answer, self._plane.catalog.currency)

    async def refund(
        self, request: decision_pb2.RefundRequest, call: Call
    ) -> decision_pb2.RefundResponse:
        """Gives back a hold, or some of what a commit charged."""
        reservation_id, give_back = parse.from_pb_refund(request)
        answer = await self._plane.refund(reservation_id, give_back, call.deadline)
        return render.to_pb_refund(answer, self._plane.catalog.currency)

    async def extend(
        self, request: decision_pb2.ExtendRequest, call: Call
    ) -> decision_pb2.ExtendResponse:
        """Keeps a hold for longer."""
        reservation_id, hold_ms = parse.from_pb_extend(request)
        answer = await self._plane.extend(reservation_id, hold_ms, call.deadline)
        return render.to_pb_extend(answer)

    async def record_usage(
        self, request: decision_pb2.RecordUsageRequest, call: Call
    ) -> decision_pb2.RecordUsageResponse:
        """Charges use that nothing was held for."""
        report = parse.from_pb_record_usage(request)
        answer = await self._plane.record_usage(report, call.deadline)
        if isinstance(answer, Recorded):
            self._telemetry.commit(answer.committed)
        return render.to_pb_record(answer, self._plane.catalog)

    async def get_reservation(
        self, request: decision_pb2.GetReservationRequest, call: Call
    ) -> decision_pb2.GetReservationResponse:
        """Reads one reservation, by its id or by the request that made it."""
        wanted = parse.from_pb_get_reservation(request)
        if isinstance(wanted, str):
            found = await self._plane.get_reservation(wanted, call.deadline)
        else:
            found = await self._plane.find_reservation(*wanted, call.deadline)
        reservation = render.to_pb_reservation(found, self._plane.catalog.currency)
        return decision_pb2.GetReservationResponse(reservation=reservation)

    async def list_reservations(
        self, request: decision_pb2.ListReservationsRequest, call: Call
    ) -> decision_pb2.ListReservationsResponse:
        """A page of a team's reservations."""
        listing = parse.from_pb_list_reservations(request)
        found, next_place = await self._plane.list_reservations(listing, call.deadline)
        currency = self._plane.catalog.currency
        return decision_pb2.ListReservationsResponse(
            reservations=[render.to_pb_short_reservation(one, currency) for one in found],
            next_page_token=to_place_token(next_place),
        )
