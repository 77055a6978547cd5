"""An unsafe store is refused at start, each danger with its cure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from quotasvc.store import keys
from quotasvc.store.checks import SCRIPTS, Finding, Overrides, StoreReport, check_store
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.findings import Facts, judge
from quotasvc.store.resp import Word
from quotasvc.store.scripts import load_scripts
from quotasvc.store.table import RING
from tests.support.embedded import connected, soon

CHECK_SCRIPTS = load_scripts(SCRIPTS)
SAFE_INFO = {
    "valkey_version": "9.1.2",
    "redis_version": "7.2.4",
    "role": "master",
    "used_memory": "1000",
    "maxmemory": "0",
}
ALL_OVERRIDES = Overrides(
    allow_unsafe_durability=True, allow_unsafe_version=True, allow_unread_settings=True
)


@pytest.fixture
async def executor(store: Endpoint) -> AsyncIterator[Executor]:
    """The road to an empty store, with the scripts of the checks."""
    async with connected(store, CHECK_SCRIPTS) as executor:
        yield executor


async def check(
    executor: Executor,
    *,
    expected: str | None = None,
    new: str = "new",
    overrides: Overrides | None = None,
) -> StoreReport:
    """What a start would find."""
    seconds, us = await words(executor, "TIME")
    return await check_store(
        executor,
        expected_store_id=expected,
        new_store_id=new,
        witness_ms=int(seconds) * 1000 + int(us) // 1000,
        deadline=soon(),
        overrides=overrides or Overrides(),
    )


async def words(executor: Executor, *command: Word) -> list[str]:
    """A reply that is a list of texts."""
    reply = await executor.call(*command, deadline=soon())
    assert isinstance(reply, list)
    return [element.decode() for element in reply if isinstance(element, bytes)]


@asynccontextmanager
async def setting(executor: Executor, name: str, value: str) -> AsyncIterator[None]:
    """A setting of the server for as long as the block runs."""
    _, before = await words(executor, "CONFIG", "GET", name)
    await executor.call("CONFIG", "SET", name, value, deadline=soon())
    try:
        yield
    finally:
        await executor.call("CONFIG", "SET", name, before, deadline=soon())


def named(report: StoreReport, name: str) -> Finding:
    """The finding of this name."""
    (finding,) = (finding for finding in report.findings if finding.name == name)
    return finding


def refusals(report: StoreReport) -> list[str]:
    """The names of what stands against the store."""
    return [finding.name for finding in report.findings if finding.refuses]


# A safe store.


async def test_the_embedded_store_is_safe(executor: Executor) -> None:
    report = await check(executor)
    assert report.is_safe
    assert [finding for finding in report.findings if not finding.ok] == []
    assert len({finding.name for finding in report.findings}) == 10


async def test_an_empty_store_gets_an_id_and_keeps_it(executor: Executor) -> None:
    # when it is checked twice, by a service that knows the id and by one that does not
    first = await check(executor, new="one")
    second = await check(executor, expected="one", new="two")
    third = await check(executor, new="three")
    # then the first id stands
    assert [report.store_id for report in (first, second, third)] == ["one", "one", "one"]
    assert await words(executor, "HGETALL", keys.SCHEMA_MARKER) == [
        "schema",
        "3",
        "store_id",
        "one",
    ]


async def test_services_that_start_together_agree_on_one_id(executor: Executor) -> None:
    reports = await asyncio.gather(*(check(executor, new=f"id {n}") for n in range(20)))
    assert all(report.is_safe for report in reports)
    assert len({report.store_id for report in reports}) == 1


# Unsafe settings.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxmemory-policy", "allkeys-lru"),
        ("appendfsync", "everysec"),
        ("appendonly", "no"),
        ("no-appendfsync-on-rewrite", "yes"),
    ],
)
async def test_an_unsafe_setting_is_refused_with_its_cure(
    executor: Executor, name: str, value: str
) -> None:
    async with setting(executor, name, value):
        report = await check(executor)
    # then it is refused for that, and not marked as ours
    assert refusals(report) == [name, "marker"]
    assert named(report, name).detail == value
    assert f"set {name} to" in named(report, name).cure
    assert report.store_id is None
    assert await executor.call("DBSIZE", deadline=soon()) == 0


@pytest.mark.parametrize(
    ("name", "value", "is_safe"),
    [
        ("appendfsync", "everysec", True),
        ("no-appendfsync-on-rewrite", "yes", True),
        ("maxmemory-policy", "allkeys-lru", False),
    ],
)
async def test_only_durability_can_be_waived(
    executor: Executor, name: str, value: str, *, is_safe: bool
) -> None:
    async with setting(executor, name, value):
        report = await check(executor, overrides=ALL_OVERRIDES)
    assert report.is_safe is is_safe
    # It is reported all the same.
    assert not named(report, name).ok


async def test_settings_that_may_not_be_read_must_be_waived(
    executor: Executor, store: Endpoint
) -> None:
    # given a user of a managed store, who may do anything but CONFIG
    rights = ("on", ">secret", "~*", "+@all", "-config")
    await executor.call("ACL", "SETUSER", "managed", *rights, deadline=soon())
    login = replace(store, username="managed", password="secret")
    async with connected(login, CHECK_SCRIPTS) as managed:
        refused = await check(managed)
        waived = await check(managed, overrides=Overrides(allow_unread_settings=True))
    await executor.call("ACL", "DELUSER", "managed", deadline=soon())
    # then every setting is a finding of its own
    assert refusals(refused)[:-1] == [
        *("maxmemory-policy", "appendonly"),
        *("appendfsync", "no-appendfsync-on-rewrite"),
    ]
    assert "CONFIG GET" in named(refused, "appendonly").cure
    assert waived.is_safe


async def test_a_store_without_scripts_is_refused(executor: Executor, store: Endpoint) -> None:
    # given a user who may load scripts but not run them
    rights = ("on", ">secret", "~*", "+@all", "-fcall")
    await executor.call("ACL", "SETUSER", "silent", *rights, deadline=soon())
    login = replace(store, username="silent", password="secret")
    async with connected(login, CHECK_SCRIPTS) as silent:
        report = await check(silent)
    await executor.call("ACL", "DELUSER", "silent", deadline=soon())
    assert refusals(report) == ["scripts", "marker"]
    assert "fcall" in named(report, "scripts").detail


# Another store than ours.


async def test_a_store_that_has_lost_its_data_is_refused(executor: Executor) -> None:
    # given a store that we know
    await check(executor, new="ours")
    # when it is empty at the next start
    await executor.call("FLUSHALL", deadline=soon())
    report = await check(executor, expected="ours")
    # then it is not taken for a new one
    assert refusals(report) == ["marker"]
    assert "lost its data" in named(report, "marker").detail
    assert report.store_id is None
    assert await executor.call("DBSIZE", deadline=soon()) == 0


async def test_another_store_than_expected_is_refused(executor: Executor) -> None:
    await check(executor, new="theirs")
    report = await check(executor, expected="ours")
    assert refusals(report) == ["marker"]
    assert "another one than ours" in named(report, "marker").detail


async def test_data_of_others_is_refused_and_left_alone(executor: Executor) -> None:
    await executor.call("SET", "session:1", "theirs", deadline=soon())
    report = await check(executor)
    assert refusals(report) == ["marker"]
    assert "not ours" in named(report, "marker").detail
    assert await words(executor, "KEYS", "*") == ["session:1"]


@pytest.mark.parametrize("expected", ["ours", None])
@pytest.mark.parametrize("schema", ["0", "2", "4", "x"])
async def test_another_schema_is_refused(
    executor: Executor, schema: str, expected: str | None
) -> None:
    # given a store that an older or newer service has begun, known here or not
    marker = ("schema", schema, "store_id", "ours")
    await executor.call("HSET", keys.SCHEMA_MARKER, *marker, deadline=soon())
    # then it is refused with both schemas and what to do, and stays as it is
    report = await check(executor, expected=expected)
    assert refusals(report) == ["marker"]
    found = named(report, "marker")
    assert found.detail == f"store ours, schema {schema}"
    assert "reads schema 3 only: run the one that wrote the store, or begin" in found.cure
    assert report.store_id is None
    kept = await words(executor, "HGETALL", keys.SCHEMA_MARKER)
    assert kept == list(marker)


def test_a_changed_layout_needs_another_schema() -> None:
    """What was stored under one number is read in one way only: raise it with either of these."""
    assert (keys.SCHEMA_NUMBER, keys.SCHEMA, RING) == (3, "q1", 128)


# What a store says about itself.


def judged(
    *, info: dict[str, str], store_ms: int = 0, overrides: Overrides | None = None
) -> dict[str, Finding]:
    """All findings by name; `info` goes on top of a safe store's."""
    facts = Facts(info=SAFE_INFO | info, settings={}, store_ms=store_ms)
    return {finding.name: finding for finding in judge(facts, overrides or Overrides(), 0)}


@pytest.mark.parametrize(
    ("product", "version", "ok"),
    [
        *(("valkey", version, True) for version in ("8.0.6", "8.0.10", "8.1.4", "9.0.0", "10.0.1")),
        *(("valkey", version, False) for version in ("7.2.9", "8.0.1", "8.0.5", "8.1.3")),
        *(("redis", version, True) for version in ("7.2.11", "7.4.6", "8.0.4", "8.2.2", "8.4.0")),
        *(("redis", version, False) for version in ("6.2.20", "7.0.15", "7.2.4", "8.2.1")),
    ],
)
def test_servers_with_the_lua_flaw_are_refused(product: str, version: str, *, ok: bool) -> None:
    info = {f"{product}_version": version}
    if product == "redis":
        info = {**SAFE_INFO, **info}
        del info["valkey_version"]
        facts = Facts(info=info, settings={}, store_ms=0)
    else:
        facts = Facts(info=SAFE_INFO | info, settings={}, store_ms=0)
    for overrides in (Overrides(), ALL_OVERRIDES):
        finding = next(f for f in judge(facts, overrides, 0) if f.name == "version")
        assert finding.ok is ok
        assert finding.refuses is (not ok and overrides == Overrides())
        assert finding.detail.lower() == f"{product} {version}"


@pytest.mark.parametrize(("apart_ms", "ok"), [(0, True), (30_000, True), (30_001, False)])
def test_clocks_must_agree_to_30_s(apart_ms: int, *, ok: bool) -> None:
    for store_ms in (apart_ms, -apart_ms):
        assert judged(info={}, store_ms=store_ms)["clock"].refuses is not ok


def test_a_replica_is_refused() -> None:
    assert judged(info={"role": "slave"})["role"].refuses


@pytest.mark.parametrize(("used", "ok"), [("809", True), ("810", False), ("5000", False)])
def test_a_nearly_full_store_is_told_but_not_refused(used: str, *, ok: bool) -> None:
    finding = judged(info={"used_memory": used, "maxmemory": "1000"})["memory"]
    assert finding.ok is ok
    assert not finding.refuses
