"""DecisionService: parse, ask the plane, render."""

from __future__ import annotations

from quotasvc.api import parse, render
from quotasvc.api.call import Call
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
        """Gives back a hold, or what a commit charged."""
        reservation_id, refund_id = parse.from_pb_refund(request)
        answer = await self._plane.refund(reservation_id, refund_id, call.deadline)
        return render.to_pb_refund(answer, self._plane.catalog.currency)

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
