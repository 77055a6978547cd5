"""Refuses an unsafe store at start: one that may forget, has forgotten, or is not ours.

A store that has lost its data would answer "everybody has a fresh quota", so it is an error.
Only an empty one is written to: it gets our mark, once, if everything else is fine. Knows how to
ask a store; does not know where the service keeps the store's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

from quotasvc.domain.faults import Corrupt
from quotasvc.store import keys
from quotasvc.store.executor import Executor, Reply
from quotasvc.store.findings import SETTING_NAMES, Facts, Finding, Overrides, judge
from quotasvc.store.scripts import Arg, Script

__all__ = ["SCRIPTS", "Finding", "Overrides", "StoreReport", "check_store"]


class Marker(IntEnum):
    """What `start/claim` found."""

    FOREIGN = 1
    OURS = 2


CLAIM = Script(
    name="start/claim",
    keys=("marker",),
    args=(Arg("schema"), Arg("store_id", str)),
    constants={"MARKER": Marker},
)
ROUND_TRIP = Script(
    name="start/round_trip", args=(Arg("number"), Arg("text", str)), flags=("no-writes",)
)
SCRIPTS = (CLAIM, ROUND_TRIP)
"""To be loaded with all others, because `check_store` runs them."""

NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class StoreReport:
    """All findings, and the store's id if it is ours."""

    findings: tuple[Finding, ...]
    store_id: str | None

    @property
    def is_safe(self) -> bool:
        """Whether quota may be decided on this store."""
        return not any(finding.refuses for finding in self.findings)


async def check_store(
    executor: Executor,
    *,
    expected_store_id: str | None,
    new_store_id: str,
    witness_ms: int,
    deadline: float,
    overrides: Overrides = NO_OVERRIDES,
) -> StoreReport:
    """Looks at everything. `witness_ms` is the time by a clock that is not the store's.

    `expected_store_id` is what an earlier start kept; `new_store_id` becomes the id of an empty
    store, unless another service that starts at the same time is first.
    """
    facts = await _facts(executor, deadline)
    findings = (*judge(facts, overrides, witness_ms), await _scripts(executor, deadline))
    mark = await _read_mark(executor, deadline)
    is_new = mark is None and expected_store_id is None
    if is_new and any(finding.refuses for finding in findings):
        marker = _not_ours("is not marked as ours, nor will be while it is unsafe", "see above")
    else:
        if is_new:
            mark = await _claim(executor, new_store_id, deadline)
        marker = _judge_mark(mark, expected_store_id)
    return StoreReport((*findings, marker), mark.store_id if mark and marker.ok else None)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the schema marker says."""

    schema: str
    store_id: str


def _judge_mark(mark: _Mark | None, expected_store_id: str | None) -> Finding:
    if mark is None and expected_store_id is None:
        return _not_ours("has data that is not ours", "give a database of its own")
    if mark is None or expected_store_id not in (None, mark.store_id):
        return _not_ours(
            f"has lost its data, or is another one than {expected_store_id}",
            "give the right one or bring its data back: quota must not start afresh by itself",
        )
    return Finding(
        "marker",
        mark.schema == str(keys.SCHEMA_NUMBER),
        f"store {mark.store_id}, schema {mark.schema}",
        f"this service reads schema {keys.SCHEMA_NUMBER} only: run the one that wrote the store, "
        "or begin an empty store in another database or directory",
    )


def _not_ours(detail: str, cure: str) -> Finding:
    return Finding("marker", False, f"the store {detail}", cure)


async def _facts(executor: Executor, deadline: float) -> Facts:
    info = _text(await executor.call("INFO", deadline=deadline))
    lines = (line.partition(":") for line in info.splitlines())
    seconds, us = _texts(await executor.call("TIME", deadline=deadline))
    return Facts(
        info={name: value for name, _, value in lines},
        settings=await _settings(executor, deadline),
        store_ms=int(seconds) * 1000 + int(us) // 1000,
    )


async def _settings(executor: Executor, deadline: float) -> Mapping[str, str]:
    try:
        found = _texts(await executor.call("CONFIG", "GET", *SETTING_NAMES, deadline=deadline))
    except Corrupt:
        # Managed stores forbid CONFIG; each setting is then reported as not read.
        return {}
    return dict(zip(found[::2], found[1::2], strict=True))


async def _scripts(executor: Executor, deadline: float) -> Finding:
    sent: tuple[int, str] = (2**53 - 1, "text")
    try:
        number, text = await executor.run(ROUND_TRIP, (), sent, deadline)
        detail, ok = "a script answered what it was given", (number, _text(text)) == sent
    except Corrupt as fault:
        detail, ok = fault.text, False
    return Finding("scripts", ok, detail, "let this user run FCALL and FUNCTION LOAD")


async def _read_mark(executor: Executor, deadline: float) -> _Mark | None:
    words = ("HMGET", keys.SCHEMA_MARKER, "schema", "store_id")
    schema, store_id = _texts(await executor.call(*words, deadline=deadline))
    return _Mark(schema, store_id) if schema else None


async def _claim(executor: Executor, store_id: str, deadline: float) -> _Mark | None:
    args = (keys.SCHEMA_NUMBER, store_id)
    found, *mark = await executor.run(CLAIM, (keys.SCHEMA_MARKER,), args, deadline)
    return _Mark(*_texts(mark)) if found == Marker.OURS else None


def _texts(reply: Reply) -> list[str]:
    """The elements of an array as text, absent ones empty."""
    return [_text(element) for element in cast("list[Reply]", reply)]


def _text(reply: Reply) -> str:
    if isinstance(reply, bytes):
        return reply.decode()
    return "" if reply is None else str(reply)
