"""What the store pays for a decision, beside the bare commands that it needs (`make cost`).

Each call is run once under MONITOR; the commands that its script sent are then written into a
script without any logic, and both are run in turn, many times, by the store's own count of its
time. So the ratio says what deciding costs on top of reading and writing. Machines differ and are
noisy: read the ratios.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from quotasvc.domain.catalog import Catalog, Straddle, Window, WindowKind
from quotasvc.domain.outcome import Allowed
from quotasvc.domain.unit import COST
from quotasvc.store import keys
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.executor import Executor
from quotasvc.store.scripts import load_scripts
from quotasvc.store.table import SCRIPTS
from tests.support.catalogs import CREDIT, allowance, catalog, plan
from tests.support.clock import MINUTE
from tests.support.quota import TEAM, Quota

ROUNDS = 7
CALLS = 600
BATCH = 50

_LINE = re.compile(rb"^\+?\d+\.\d+ \[\d+ lua\] (?P<words>.*)$")
_VALUE = re.compile(rb"\(?-?[0-9][0-9.]*|.{20,}", re.DOTALL)
"""Numbers, ids and digests: what differs from call to call."""

_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Row:
    """One line: µs of store time per call, of the script and of its bare commands."""

    name: str
    commands: int
    script_us: float
    bare_us: float

    def show(self) -> str:
        """The line."""
        ratio = self.script_us / self.bare_us if self.bare_us else 0
        return (
            f"{self.name:<44}{self.commands:>5}{self.script_us:>10.1f}{self.bare_us:>10.1f}"
            f"{ratio:>8.2f}"
        )


def policy(windows: int) -> Catalog:
    """A catalog whose one plan has so many windows that never fill, and whose sibling is full."""
    limits = tuple(
        Window(
            window_id=f"w{i}",
            kind=WindowKind.SLIDING,
            length_ms=(60 + i) * MINUTE,
            limit=None if i % 2 else 1_000_000 * CREDIT,
        )
        for i in range(windows)
    )
    return catalog(
        plans=(
            plan("plus", allowance("general", COST, ("text/a",), *limits, straddle=Straddle.SPLIT)),
        )
    )


class Bench:
    """One store with one team, and the commands of its scripts."""

    def __init__(self, store: EmbeddedStore, executor: Executor, policy_: Catalog) -> None:
        self.store = store
        self.executor = executor
        self.quota = Quota(executor, lambda: time.time_ns() // 1_000_000, policy_)

    async def call(self, *words: str | int | bytes) -> object:
        """One command."""
        return await self.executor.call(*words, deadline=self.quota.deadline)

    async def commands(self, work: Callable[[], Awaitable[object]]) -> list[list[bytes]]:
        """The commands that the scripts of `work` sent."""
        reader, writer = await asyncio.open_unix_connection(str(self.store.socket_path))
        writer.write(b"MONITOR\r\n")
        await reader.readline()
        await work()
        await self.call("ECHO", "the end")
        found: list[list[bytes]] = []
        while b"the end" not in (line := await reader.readline()):
            match = _LINE.match(line.rstrip())
            if match:
                found.append([_unescaped(word) for word in _WORD.findall(match["words"])])
        writer.close()
        return found

    async def us(self, command: str, work: Callable[[], Awaitable[object]]) -> float:
        """µs of the store's own time per `command` that `work` sent."""
        await self.call("CONFIG", "RESETSTAT")
        await work()
        text = await self.call("INFO", "commandstats")
        assert isinstance(text, bytes)
        line = next(one for one in text.decode().splitlines() if f"cmdstat_{command}:" in one)
        return float(line.split("usec_per_call=")[1].split(",")[0])


def _unescaped(word: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", word)


@dataclass(frozen=True, slots=True)
class Bare:
    """A script of some commands and nothing else: keys and values are sent along, as they must be
    for any script; names of commands and fields stand in it."""

    text: str
    keys: tuple[bytes, ...]
    values: tuple[bytes, ...]

    @staticmethod
    def of(commands: Sequence[Sequence[bytes]]) -> Bare:
        """The script of these commands."""
        keys_, values, lines = list[bytes](), list[bytes](), ["#!lua"]
        for words in commands:
            shown = [_quoted(words[0])]
            for word in words[1:]:
                if word.startswith(b"q1:"):
                    if word not in keys_:
                        keys_.append(word)
                    shown.append(f"KEYS[{keys_.index(word) + 1}]")
                elif _VALUE.fullmatch(word):
                    values.append(word)
                    shown.append(f"ARGV[{len(values)}]")
                else:
                    shown.append(_quoted(word))
            lines.append(f"redis.call({', '.join(shown)})")
        lines.append("return {1, 2, 3}")
        return Bare("\n".join(lines), tuple(keys_), tuple(values))

    def call(self, sha: bytes, fresh: bytes, instead: bytes) -> tuple[bytes | str | int, ...]:
        """EVALSHA with `instead` in place of the key that each call has anew."""
        names = (instead if key == fresh else key for key in self.keys)
        return (b"EVALSHA", sha, len(self.keys), *names, *self.values)


def _quoted(word: bytes) -> str:
    text = word.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


async def _many(work: Callable[[int], Awaitable[object]]) -> None:
    for first in range(0, CALLS, BATCH):
        await asyncio.gather(*(work(first + i) for i in range(BATCH)))


async def compare(
    bench: Bench,
    name: str,
    prepare: Callable[[], Awaitable[Callable[[int], Awaitable[object]]]],
    sample: Callable[[], Awaitable[object]],
    fresh: Callable[[], bytes],
) -> Row:
    """Both, in turn."""
    commands = await bench.commands(sample)
    script, known = Bare.of(commands), fresh()
    sha = await bench.call("SCRIPT", "LOAD", script.text)
    assert isinstance(sha, bytes)
    scripts, bares = list[float](), list[float]()
    for number in range(ROUNDS):
        work = await prepare()
        scripts.append(await bench.us("fcall", partial(_many, work)))
        plain = partial(_plain, bench, script, sha, known, number)
        bares.append(await bench.us("evalsha", partial(_many, plain)))
    return Row(name, len(commands), statistics.median(scripts), statistics.median(bares))


async def _plain(
    bench: Bench, script: Bare, sha: bytes, fresh: bytes, number: int, i: int
) -> object:
    instead = b"%s:bare:%d:%d" % (fresh, number, i)
    return await bench.call(*script.call(sha, fresh, instead))


async def measured(bench: Bench, windows: int, what: str) -> list[Row]:
    """Reserve and commit of a request that `what` pays."""
    quota, held = bench.quota, list[Allowed]()
    record = keys.team_keys(TEAM).record

    async def reserve(_: int = 0) -> None:
        held.append(await quota.reserve(3))

    async def no_preparation() -> Callable[[int], Awaitable[object]]:
        held.clear()
        return reserve

    async def many_holds() -> Callable[[int], Awaitable[object]]:
        held.clear()
        await _many(reserve)
        return lambda i: quota.commit(held[i], 2)

    async def commit_one() -> None:
        await quota.commit(held[-1], 2)

    def last_record() -> bytes:
        digest = held[-1].reservation_id.split(".")[-2]
        return record(digest).encode()

    limits = f"{windows} limits, {what}"
    return [
        await compare(bench, f"reserve: {limits}", no_preparation, reserve, last_record),
        await compare(bench, f"commit: {limits}", many_holds, commit_one, last_record),
    ]


async def main() -> None:
    """Prints the table."""
    head = f"store time, µs per call (median of {ROUNDS})"
    print(f"{head:<44}{'cmds':>5}{'script':>10}{'bare':>10}{'ratio':>8}")
    for windows in (1, 2, 4, 10):
        await _on_a_store(policy(windows), partial(_plan_rows, windows))
    for lots in (10, 1_000):
        await _on_a_store(policy(1), partial(_lot_rows, lots))


async def _plan_rows(windows: int, bench: Bench) -> None:
    await bench.quota.team()
    for row in await measured(bench, windows, "the plan pays"):
        print(row.show())


async def _lot_rows(lots: int, bench: Bench) -> None:
    await bench.quota.team(plan=None)
    for i in range(lots):
        await bench.quota.grant(f"lot{i}", 1_000_000)
    for row in await measured(bench, 0, f"1 of {lots} lots pays"):
        print(row.show())


async def _on_a_store(policy_: Catalog, work: Callable[[Bench], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder))
        await store.start()
        executor = Executor(store.endpoint, load_scripts(SCRIPTS), chance=random.Random(1))
        await executor.start(asyncio.get_running_loop().time() + 10)
        try:
            await work(Bench(store, executor, policy_))
        finally:
            await executor.close()
            await store.stop()


if __name__ == "__main__":
    asyncio.run(main())
