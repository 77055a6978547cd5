"""A team in the midst of everything, and one call of each script on it; spoiled and put back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from quotasvc.domain.catalog import Catalog, OnExpiry, RateLimit
from quotasvc.domain.faults import Corrupt
from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import SETTLED_RECORD_MS, Payer, digest, request_digest
from quotasvc.domain.team import KeyState
from quotasvc.domain.unit import Usage
from quotasvc.planes.usage import Subject
from quotasvc.store import keys, table
from quotasvc.store.declaration import Script
from quotasvc.store.executor import Executor
from quotasvc.store.field import Field
from quotasvc.store.usage import LotInfo
from tests.support.catalogs import CREDIT, PLANS, TEXT, catalog
from tests.support.clock import DAY, MINUTE, SECOND, START_MS, Clock
from tests.support.quota import TEAM, Quota

NAMES = keys.team_keys(TEAM)
POOL = NAMES.credits
WINDOW = f"{NAMES.prefix}:win:{TEAM}:s1:general:cost:s:5h:150s"
WEEK = f"{NAMES.prefix}:win:{TEAM}:s1:general:cost:a:7d:week0-UTC"
RPM, TPM, CONNECTIONS = (NAMES.rate("text", unit) for unit in ("rpm", "tpm", "connections"))
SLOTS = NAMES.slots("s1")
LOT, ENDED, WAITS = "lot0", "ended", "waits"

ROW = RateLimit(
    rate_limit_id="text",
    resources=frozenset(TEXT),
    rpm=1_000,
    tpm=1_000_000,
    connections=1_000,
    peak_permille=1_000,
)


def record_key(request_id: str) -> str:
    """The record of a request."""
    return NAMES.record(request_digest(TEAM, request_id))


HELD, CHARGED, NEW, USED = (record_key(name) for name in ("held", "charged", "new", "used"))


POOL_KEYS = tuple(getattr(POOL, name) for name in POOL.__slots__)
LIMITS = (WINDOW, WEEK, RPM, TPM, CONNECTIONS, SLOTS)
LISTS = (NAMES.holds, NAMES.purge, NAMES.due)
ALL_KEYS = frozenset(
    {NAMES.team, NAMES.ledger, HELD, CHARGED, NEW, USED, *LISTS, *POOL_KEYS, *LIMITS}
)
"""All that the team may have of any moment."""


def policy(on_expiry: OnExpiry) -> Catalog:
    """The catalog of the scene: its texts are limited in every way."""
    plans = tuple(replace(plan, on_expiry=on_expiry, peak_concurrency=9) for plan in PLANS)
    return replace(catalog(plans=plans), rate_limits=(ROW,))


@dataclass(frozen=True, slots=True)
class Scene:
    """A team with a hold and a charge over plan and lots, and what can be asked of it."""

    quota: Quota
    clock: Clock
    held: Allowed
    charged: Allowed

    async def do(self, *words: str | int | bytes) -> object:
        """One command."""
        return await self.quota.executor.call(*words, deadline=self.quota.deadline)

    async def restore(self, dump: Mapping[bytes, object], now_ms: int) -> None:
        """Puts everything back as it was."""
        await self.do("FLUSHALL")
        for name, payload in dump.items():
            assert isinstance(payload, bytes)
            await self.do("RESTORE", name, 0, payload)
        self.clock.now_ms = now_ms

    @property
    def mark(self) -> str:
        """Where it would be remembered that the charge's usage was recorded."""
        return NAMES.mark(digest("mark", self.charged.reservation_id))

    async def refuses(self, call: Call) -> str | None:
        """The text of the fault, after which nothing has changed; None if there is none."""
        before, version = await self.quota.dump(), self.quota._version
        try:
            await call.act(self)
        except Corrupt as fault:
            assert await self.quota.dump() == before, f"{call.name} left something half done"
            return fault.text
        finally:
            self.quota._version = version
        return None


async def make_scene(executor: Executor, clock: Clock, call: Call) -> Scene:
    """Everything has something in it: windows, gates, lots in every state, lists and ledger."""
    on_expiry = OnExpiry.CHARGE if call.is_charging else OnExpiry.RELEASE
    quota = Quota(executor, clock, policy(on_expiry))
    await quota.team()
    await quota.grant(ENDED, 7, days=1)
    clock.advance(DAY)
    await quota.grant(LOT, 100)
    charged = await quota.reserve(20, request_id="charged")
    await quota.commit(charged)
    held = await quota.reserve(90, request_id="held")  # 80 of the plan, 10 of the lot
    scene = Scene(quota, clock, held, charged)
    await call.prepare(scene)
    return scene


Act = Callable[[Scene], Awaitable[object]]


async def _nothing(scene: Scene) -> None:
    assert scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One run of a script: on a scene that is `prepare`d, with reads at most before it."""

    script: Script
    act: Act
    prepare: Act = _nothing
    is_charging: bool = False  # holds are charged at their expiry

    @property
    def name(self) -> str:
        """In words."""
        return self.act.__name__.lstrip("_")


async def _reserve(scene: Scene) -> object:
    return await scene.quota.reserve(5, request_id="new")


async def _reserve_too_much(scene: Scene) -> object:
    """Looks at every slice and every held lot."""
    return await scene.quota.decide(scene.quota.ask(500, request_id="new"))


async def _check_only(scene: Scene) -> object:
    return await scene.quota.reserve(5, request_id="", check_only=True)


async def _commit_less(scene: Scene) -> object:
    return await scene.quota.commit(scene.held, 82)


async def _commit_more(scene: Scene) -> object:
    """Draws on the lot beyond the hold."""
    return await scene.quota.commit(scene.held, 120)


async def _late_commit(scene: Scene) -> object:
    return await scene.quota.commit(scene.held)


async def _release(scene: Scene) -> object:
    return await scene.quota.refund(scene.held)


async def _release_into_an_ended_lot(scene: Scene) -> object:
    return await scene.quota.refund(scene.held)


async def _end_lot(scene: Scene) -> None:
    """The lot of the hold is over, by what everybody knows of it."""
    over = str(scene.clock())
    await scene.do("ZADD", POOL.order, over, f"{START_MS + DAY:013d}:{LOT}")
    await scene.do("HSET", POOL.ends, LOT, over)
    await scene.do("HSET", HELD, f"{Field.LOT_EXPIRE}1", over)


async def _refund_all(scene: Scene) -> object:
    return await scene.quota.refund(scene.charged, "f1")


async def _refund_usage(scene: Scene) -> object:
    usage = Usage.of(output_tokens=5)
    return await scene.quota.refund(scene.charged, "f1", usage=usage)


async def _refund_amount(scene: Scene) -> object:
    return await scene.quota.refund(scene.charged, "f1", amount_nanos=3 * CREDIT)


async def _refund_an_expiry(scene: Scene) -> object:
    return await scene.quota.refund(scene.held)


async def _pass_a_second(scene: Scene) -> None:
    """A lease that is renewed then ends later than it would have."""
    scene.clock.advance(SECOND)


async def _extend(scene: Scene) -> object:
    return await scene.quota.extend(scene.held)


async def _record_usage(scene: Scene) -> object:
    return await scene.quota.record(5, request_id="used")


async def _record_usage_of_old(scene: Scene) -> object:
    old = scene.charged.reservation_id
    return await scene.quota.record(120, request_id="used", reservation_id=old)


async def _forget_charged(scene: Scene) -> None:
    await scene.do("DEL", CHARGED)


async def _pass(scene: Scene) -> None:
    scene.clock.advance(10 * MINUTE)


async def _reap(scene: Scene) -> None:
    held, now_ms = scene.held.reservation_id, scene.clock()
    await scene.quota.reaper._expire(held, now_ms, scene.quota.deadline)


async def _reap_and_charge(scene: Scene) -> None:
    await _reap(scene)


async def _pass_and_reap(scene: Scene) -> None:
    await _pass(scene)
    await scene.quota.reap()


async def _purge(scene: Scene) -> object:
    name, rid = request_digest(TEAM, "charged"), scene.charged.reservation_id
    return await scene.quota.agenda.purge(TEAM, rid, name, scene.quota.deadline)


async def _pass_its_time(scene: Scene) -> None:
    scene.clock.advance(SETTLED_RECORD_MS)


async def _refuse(scene: Scene) -> object:
    """Asks for something that does not exist."""
    return await scene.quota.decide(scene.quota.ask(resource="nothing", request_id="new"))


async def _refuse_a_replay(scene: Scene) -> object:
    """Asks again for what was held, with a key that has been switched off since."""
    return await scene.quota.reserve(90, request_id="held")


async def _switch_off(scene: Scene) -> None:
    await scene.quota.team(state=KeyState.DISABLED)
    await scene.quota.teams.load(TEAM, scene.quota.deadline)


async def _find(scene: Scene) -> object:
    quota = scene.quota
    return await quota.decisions.find_reservation(TEAM, "held", quota.deadline)


async def _find_charged(scene: Scene) -> object:
    rid, quota = scene.charged.reservation_id, scene.quota
    return await quota.decisions.get_reservation(rid, quota.deadline)


async def _due(scene: Scene) -> None:
    await scene.quota.agenda.settle_due(TEAM, scene.quota.deadline)


async def _book(scene: Scene) -> object:
    return await scene.quota.agenda.book(TEAM, scene.quota.deadline)


async def _enter(scene: Scene) -> object:
    return await scene.quota.agenda.enter(TEAM, Payer.CREDITS, scene.quota.deadline)


async def _let_wait(scene: Scene) -> None:
    """Two lots wait, of which one is over: as if the pool had been full."""
    for name, end in ((WAITS, 0), ("over", scene.clock())):
        info = LotInfo(origin="x", granted=9, purchase_ms=1, grant_ms=1, expire_ms=end or None)
        await scene.do("HSET", POOL.info, name, info.to_json())
        await scene.do("HSET", POOL.ends, name, end)
        await scene.do("HSET", POOL.parked, name, 9)
        await scene.do("ZADD", POOL.waiting, 1, f"{1:013d}:{name}")


async def _remains(scene: Scene) -> object:
    return await scene.quota.remains()


async def _lots(scene: Scene) -> object:
    return await scene.quota.lots()


async def _balance(scene: Scene) -> object:
    subject = Subject(team_id=TEAM, actor_user_id="ann")
    return await scene.quota.usage.balance(subject, scene.quota.deadline)


async def _grant(scene: Scene) -> object:
    info = LotInfo(origin="x", granted=1, purchase_ms=1, grant_ms=1, expire_ms=START_MS + 99 * DAY)
    call = scene.quota.control.grant_lot(TEAM, Payer.CREDITS, "new", info, scene.quota.deadline)
    return await call


async def _revoke(scene: Scene) -> object:
    return await scene.quota.control.revoke_lot(TEAM, LOT, scene.quota.deadline)


async def _put_team(scene: Scene) -> object:
    return await scene.quota.team(access=False)


CALLS = (
    Call(script=table.RESERVE, act=_reserve),
    Call(script=table.RESERVE, act=_reserve_too_much),
    Call(script=table.RESERVE, act=_check_only),
    Call(script=table.COMMIT, act=_commit_less),
    Call(script=table.COMMIT, act=_commit_more),
    Call(script=table.COMMIT, act=_late_commit, prepare=_pass_and_reap),
    Call(script=table.RELEASE, act=_release),
    Call(script=table.RELEASE, act=_release_into_an_ended_lot, prepare=_end_lot),
    Call(script=table.REFUND, act=_refund_all),
    Call(script=table.REFUND, act=_refund_usage),
    Call(script=table.REFUND, act=_refund_amount),
    Call(script=table.REFUND, act=_refund_an_expiry, prepare=_pass_and_reap, is_charging=True),
    Call(script=table.EXPIRE, act=_reap, prepare=_pass),
    Call(script=table.EXPIRE, act=_reap_and_charge, prepare=_pass, is_charging=True),
    Call(script=table.EXTEND, act=_extend, prepare=_pass_a_second),
    Call(script=table.RECORD_USAGE, act=_record_usage),
    Call(script=table.RECORD_USAGE, act=_record_usage_of_old, prepare=_forget_charged),
    Call(script=table.CONFIRM, act=_refuse),
    Call(script=table.CONFIRM, act=_refuse_a_replay, prepare=_switch_off),
    Call(script=table.FIND, act=_find),
    Call(script=table.FIND, act=_find_charged),
    Call(script=table.PURGE, act=_purge, prepare=_pass_its_time),
    Call(script=table.DUE, act=_due),
    Call(script=table.ENTER, act=_enter, prepare=_let_wait),
    Call(script=table.BOOK, act=_book),
    Call(script=table.REMAINS, act=_remains),
    Call(script=table.LOTS, act=_lots),
    Call(script=table.BALANCE, act=_balance),
    Call(script=table.GRANT_LOT, act=_grant),
    Call(script=table.REVOKE_LOT, act=_revoke),
    Call(script=table.PUT_TEAM, act=_put_team),
)
"""Every script, each of those that decide in several ways."""
