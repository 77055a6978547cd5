"""Tries mutants: who of the tests notices? Several at once, each in a copy of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from queue import SimpleQueue

from tests.mutants.copies import HANG_S, Copy, Outcome
from tests.mutants.mutant import Mutant
from tests.mutants.selection import stages
from tests.mutants.verdict import Record, Verdict


def judge(
    copy: Copy, mutant: Mutant, likely: Sequence[str] = (), hang_s: float = HANG_S
) -> Verdict:
    """Asks the likely tests and the mutant's own first, then all that may know."""
    began_s = time.monotonic()
    first, then = stages(copy.root, mutant.path)
    known = [test for test in likely if _is_there(copy, test)]
    # No Python that is imported already knows of a mutant of its own.
    ask = partial(copy.pytest, hang_s=hang_s, is_warm=mutant.path.endswith(".lua"))
    with copy.changed(mutant):
        outcome = _first(ask, known, first)
        if outcome is None or outcome.has_passed:
            outcome = ask(then)
    return Verdict(
        is_killed=not outcome.has_passed,
        by="" if outcome.has_passed else _killer(outcome),
        seconds=round(time.monotonic() - began_s, 2),
    )


def judge_all(
    copies: Sequence[Copy],
    mutants: Sequence[Mutant],
    record: Record,
    hints: Mapping[str, str],
    hang_s: float = HANG_S,
) -> Iterator[tuple[Mutant, Verdict]]:
    """The verdicts as they come; all that runs has ended when the caller leaves.

    `hints` tells, by the names of mutants, who should know.
    """
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(mutant: Mutant) -> tuple[Mutant, Verdict]:
        copy = free.get()
        try:
            hint = [hints[mutant.id]] if mutant.id in hints else []
            return mutant, judge(copy, mutant, (*hint, *record.likely(mutant)), hang_s)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        try:
            for done in as_completed([pool.submit(one, mutant) for mutant in mutants]):
                mutant, verdict = done.result()
                record.add(mutant, verdict)
                yield mutant, verdict
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for copy in copies:
                copy.stop()


def control(copy: Copy, paths: Sequence[str], hang_s: float = HANG_S) -> Outcome:
    """The tree as it is must pass all that mutants of these files are judged by."""
    tests = [test for path in paths for stage in stages(copy.root, path) for test in stage]
    return copy.pytest(tuple(dict.fromkeys(tests)), hang_s)


def _first(
    ask: Callable[[Sequence[str]], Outcome], likely: Sequence[str], first: Sequence[str]
) -> Outcome | None:
    """A likely case that is gone makes pytest refuse all of them: then without."""
    for tests in (*([(*likely, *first)] if likely else []), tuple(first)):
        if tests:
            outcome = ask(tests)
            if outcome.was_asked:
                return outcome
    return None


def _is_there(copy: Copy, test: str) -> bool:
    """Whether a test of this name is in its file; its case may be gone nevertheless."""
    path, _, name = test.partition("::")
    file = copy.root / path
    return file.is_file() and name.partition("[")[0].rpartition("::")[2] in file.read_text("utf-8")


def _killer(outcome: Outcome) -> str:
    if outcome.failed:
        return outcome.failed[0]
    # A test that hangs makes pytest leave without a word, except for where it was.
    is_hang = outcome.code is None or "Timeout" in outcome.output
    return "a hang" if is_hang else f"pytest ended with {outcome.code}"
