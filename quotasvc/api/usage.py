"""UsageService: parse, ask the plane, render."""

from __future__ import annotations

from quotasvc.api import parse, render
from quotasvc.api.call import Call
from quotasvc.api.page import from_lot_token, from_pb_size, to_lot_token
from quotasvc.planes.usage import UsagePlane
from quotasvc.v1 import usage_pb2


class UsageApi:
    """The methods of UsageService, by their names in snake case."""

    def __init__(self, plane: UsagePlane) -> None:
        self._plane = plane

    async def get_remains(
        self, request: usage_pb2.GetRemainsRequest, call: Call
    ) -> usage_pb2.GetRemainsResponse:
        """The bars of a seat."""
        remains = await self._plane.remains(parse.from_pb_subject(request), call.deadline)
        return render.to_pb_remains(remains, self._plane.catalog.currency)

    async def get_balance(
        self, request: usage_pb2.GetBalanceRequest, call: Call
    ) -> usage_pb2.GetBalanceResponse:
        """The team's Credits and wallet."""
        credits, wallet = await self._plane.balance(parse.from_pb_subject(request), call.deadline)
        currency = self._plane.catalog.currency
        return usage_pb2.GetBalanceResponse(
            credits=render.to_pb_balance(credits, currency),
            wallet=render.to_pb_balance(wallet, currency),
        )

    async def list_lots(
        self, request: usage_pb2.ListLotsRequest, call: Call
    ) -> usage_pb2.ListLotsResponse:
        """A page of the team's Credit lots."""
        subject, size = parse.from_pb_subject(request), from_pb_size(request.page_size)
        place = from_lot_token(request.page_token)
        lots, further = await self._plane.lots(subject, size, place, call.deadline)
        return usage_pb2.ListLotsResponse(
            lots=[render.to_pb_lot(lot) for lot in lots],
            next_page_token=to_lot_token(further),
            currency=self._plane.catalog.currency,
        )
