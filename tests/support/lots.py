"""Lots of which everything is said, and what was drawn from them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from quotasvc.domain.lot import LOTS_MAX
from quotasvc.domain.outcome import Allowed, Committed
from quotasvc.domain.reservation import Leg, Payer
from quotasvc.store.declaration import Build, Script
from quotasvc.store.scripts import StitchedScript, load_scripts
from quotasvc.store.table import SCRIPTS
from quotasvc.store.usage import LotInfo
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, START_MS
from tests.support.quota import TEAM, Quota


async def grant(
    quota: Quota,
    lot_id: str,
    credits: int = 1,
    *,
    purchase_ms: int,
    expire_ms: int | None,
    is_paid: bool = True,
) -> bool:
    """A lot of which everything is said."""
    info = LotInfo(
        origin="top_up",
        granted=credits * CREDIT,
        purchase_ms=purchase_ms,
        grant_ms=purchase_ms,
        expire_ms=expire_ms,
    )
    return await quota.control.grant_lot(
        TEAM, Payer.CREDITS, lot_id, info, quota.deadline, is_paid=is_paid
    )


async def grant_many(quota: Quota, count: int, expire_ms: int | None = START_MS + DAY) -> None:
    """So many lots of one credit each, lot0000 the first."""
    await asyncio.gather(
        *(
            grant(quota, f"lot{number:04d}", purchase_ms=START_MS, expire_ms=expire_ms)
            for number in range(count)
        )
    )


def drawn(answer: Allowed | Committed) -> list[tuple[str, int]]:
    """(source, whole credits) of each leg."""
    return [(leg.source, leg.nanos // CREDIT) for leg in answer.legs]


def shares(legs: Iterable[Leg]) -> dict[str, int]:
    """Whole credits by source."""
    return {leg.source: leg.nanos // CREDIT for leg in legs}


@cache
def scripts_of_small_pools(
    lots: int, unpaid: int, legs: int = LOTS_MAX
) -> tuple[StitchedScript, ...]:
    """The scripts of the test build, told that a pool has no more open lots than this, that from
    `unpaid` on nobody is given any, and that a reservation has so many legs."""

    def small(script: Script) -> Script:
        bounds = script.constants["BOUND"]
        assert isinstance(bounds, Mapping)
        changed = {**bounds, "lots": lots, "unpaid_lots": unpaid, "legs": legs}
        return replace(script, constants={**script.constants, "BOUND": changed})

    return tuple(load_scripts(map(small, SCRIPTS), build=Build.TEST, clock_ms=lambda: 0))


def large(nanos: int) -> LotInfo:
    """A purchase of so much, now."""
    return LotInfo(
        origin="top_up", granted=nanos, purchase_ms=START_MS, grant_ms=START_MS, expire_ms=None
    )


async def buy_large(quota: Quota, nanos: int, lot_id: str = "big") -> bool:
    """Grants it."""
    return await quota.control.grant_lot(TEAM, Payer.CREDITS, lot_id, large(nanos), quota.deadline)
