"""A small world for the oracle's own tests: round prices, one team, and a clock that is set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.model.book import Handle
from tests.model.console import invariants
from tests.model.oracle import Oracle
from tests.model.policy import (
    DAY,
    HOUR,
    Allowance,
    Answer,
    Key,
    Member,
    Peak,
    Plan,
    Policy,
    PriceRow,
    RateRow,
    Resource,
    Seat,
    Team,
    Window,
    to_ms,
)

CREDIT = 1_000_000  # SEM-1: a micro-credit is a nano
START = to_ms(datetime(2026, 11, 4, 7, tzinfo=UTC))  # a Wednesday, 07:00
SLICE = 150_000  # of a five-hour window

FIVE_HOURS = Window(window_id="five_hour", kind="sliding", length_ms=5 * HOUR, limit=100 * CREDIT)
WEEK = Window(
    window_id="week", kind="aligned", length_ms=7 * DAY, limit=1_000 * CREDIT, period="week"
)
DAY_OF_TEN = Window(window_id="day", kind="aligned", length_ms=DAY, limit=10, period="day")
FIRST_USE = Window(window_id="opened", kind="first_use", length_ms=5 * HOUR, limit=100 * CREDIT)
CYCLE = Window(window_id="cycle", kind="cycle", length_ms=0, limit=100 * CREDIT)


def priced(
    resource_id: str, unit: str, nanos: int, *, per: int = 1, covered: bool = True
) -> Resource:
    """A resource that measures one unit beside requests."""
    estimate = {unit: 1} if nanos else {}
    return Resource(
        resource_id=resource_id,
        measures=("requests", unit) if unit != "requests" else ("requests",),
        rows=(PriceRow(per=per, nanos={unit: nanos}),),
        estimate_default=estimate,
        estimate_min=estimate,
        covered=covered,
    )


CLIPS = Resource(
    resource_id="clip",
    measures=("requests", "clips"),
    rows=tuple(
        PriceRow(nanos={"clips": n * CREDIT}, attributes=(("resolution", name),))
        for n, name in ((1, "720P"), (2, "1080P"))
    ),
    estimate_default={"clips": 1},
    estimate_min={"clips": 1},
)
RESOURCES = {
    r.resource_id: r
    for r in (
        priced("text", "output_tokens", CREDIT),  # 1 token is 1 credit
        priced("m2.7", "input_tokens", 300_000_000, per=1_000_000),  # $0.30 for 1M (2.5)
        priced("image", "images", 3 * CREDIT),
        priced("vlm", "requests", CREDIT),
        priced("video", "clips", 30 * CREDIT),
        priced("song", "songs", 0),
        priced("voice", "characters", CREDIT, covered=False),
        CLIPS,
    )
}


def plan(
    *windows: Window, straddle: str = "split", plan_id: str = "plus", price: int = 20, **more: Any
) -> Plan:
    """Text at cost in `windows`; ten images a day; ten requests of vision, each counting as 3."""
    general = Allowance(
        allowance_id="general",
        unit="cost",
        resources=frozenset({"text", "m2.7", "clip"}),
        windows=windows,
        straddle=straddle,
        weights={},
    )
    counted = [
        Allowance(
            allowance_id=allowance_id,
            unit=unit,
            resources=frozenset({resource}),
            windows=(DAY_OF_TEN,),
            straddle="strict",
            weights=weights,
        )
        for allowance_id, unit, resource, weights in (
            ("images", "images", "image", {}),
            ("vision", "requests", "vlm", {"vlm": 3}),
        )
    ]
    allowances = (general, *counted)
    return Plan(plan_id=plan_id, price_nanos=price, allowances=allowances, **more)


class World:
    """One team on one plan, its oracle and its clock. Text tokens are credits."""

    def __init__(
        self,
        *plans: Plan,
        seat: bool = True,
        access: bool = True,
        rates: tuple[RateRow, ...] = (),
    ) -> None:
        self.now_ms = START
        self.requests = 0
        plans = plans or (plan(FIVE_HOURS, WEEK),)
        weekdays = Peak(weekdays=(0, 1, 2, 3, 4), from_minute=15 * 60, until_minute=17 * 60 + 30)
        self.policy = Policy(
            version="testtest",
            resources=RESOURCES,
            plans={p.plan_id: p for p in plans},
            rate_limits=rates,
            peak=weekdays,
        )
        self.oracle = Oracle(self.policy)
        self.seat = Seat(seat_id="s1", plan_id=plans[0].plan_id, user_id="ann")
        self.member = Member(user_id="ann", credits_access=access)
        self.team(seats=(self.seat,) if seat else ())

    def team(
        self, *, seats: tuple[Seat, ...] | None = None, member: Member | None = None, **key: Any
    ) -> None:
        """Puts the document: keys acme_k1 (subscription) and acme_k2 (pay as you go)."""
        made = Team(
            team_id="acme",
            members=(member or self.member,),
            seats=(self.seat,) if seats is None else seats,
            keys=(
                Key(key_id="acme_k1", user_id="ann", **key),
                Key(key_id="acme_k2", user_id="ann", kind="payg", **key),
            ),
        )
        self.oracle.put_team(self.now_ms, made)

    def lot(self, lot_id: str, credits: int, *, days: int = 365, paid: bool = True) -> Answer:
        """A lot that expires in `days`."""
        words = (self.now_ms, "acme", "CREDITS", lot_id, credits * CREDIT)
        return self.oracle.grant(*words, paid=paid, expires_ms=self.now_ms + days * DAY)

    def ask(self, tokens: int | None = None, **more: Any) -> Answer:
        """Asks for text, or for what `resource` and `usage` say."""
        self.requests += 1
        usage = {} if tokens is None else {"output_tokens": tokens}
        words = {"key_id": "acme_k1", "request_id": f"r{self.requests}", "resource": "text"}
        return self.oracle.check_and_reserve(self.now_ms, **{**words, "usage": usage, **more})

    def record(self, tokens: int | None = None, **more: Any) -> Answer:
        """Reports usage that has happened."""
        self.requests += 1
        usage = {} if tokens is None else {"output_tokens": tokens}
        words = {"key_id": "acme_k1", "request_id": f"r{self.requests}", "resource": "text"}
        return self.oracle.record_usage(self.now_ms, **{**words, "usage": usage, **more})

    def reserve(self, tokens: int | None = None, **more: Any) -> Handle:
        """Asks, and is admitted."""
        answer = self.ask(tokens, **more)
        assert answer.get("decision") == "ALLOW", answer
        handle: Handle = answer["reservation_id"]
        return handle

    def commit(self, handle: Handle, tokens: int | None = None, **more: Any) -> Answer:
        """Commits a text usage, or as reserved."""
        settle: dict[str, Any] = {"usage": {"output_tokens": tokens}}
        if tokens is None and "usage" not in more:
            settle = {"as_reserved": True}
        return self.oracle.commit(self.now_ms, handle, **{**settle, **more})

    def refund(self, handle: Handle, refund_id: str = "", **scope: Any) -> Answer:
        """Releases, or refunds by scope."""
        return self.oracle.refund(self.now_ms, handle, refund_id=refund_id, **scope)

    def use(self, tokens: int) -> Answer:
        """Usage that is there to stay."""
        return self.commit(self.reserve(tokens))

    def window(self, number: int = 0, allowance: int = 0) -> tuple[int, int]:
        """(used, held) of a window of the seat, in credits where it counts cost."""
        bars = self.oracle.remains(self.now_ms, key_id="acme_k1")["allowances"]
        bar, scale = bars[allowance], CREDIT if allowance == 0 else 1
        status = bar["windows"][number]
        return status.get("used", 0) // scale, status.get("held", 0) // scale

    def available(self) -> dict[str, int]:
        """Whole credits that each lot has."""
        lots = self.oracle.lots(self.now_ms, "acme").get("lots", [])
        return {lot["lot_id"]: lot.get("available_nanos", 0) // CREDIT for lot in lots}

    def check(self) -> None:
        """Every promise about the whole state holds."""
        assert invariants(self.oracle) == []
        assert self.oracle.check_intervals() == []


def legs(answer: Answer, name: str = "legs") -> list[tuple[str, int]]:
    """(source, whole credits) of each leg."""
    return [(leg["source"], leg["amount_nanos"] // CREDIT) for leg in answer.get(name, [])]
