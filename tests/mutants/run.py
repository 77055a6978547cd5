"""Tries all mutants: those made by rule and those planted by hand. A survivor is a missing test.

The tree is copied first and only read: edit it while this runs. Verdicts are kept in the file of
--state, where there is one, so that a run that was cut off goes on; --survivors tries again what
survived last.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.mutants import equivalent
from tests.mutants.copies import HANG_S, Copy, tree_hash
from tests.mutants.mutant import Mutant, by_id
from tests.mutants.operators import generate
from tests.mutants.plant import mutant_of
from tests.mutants.planted import PLANTED
from tests.mutants.report import progress, report
from tests.mutants.trial import control, judge_all
from tests.mutants.verdict import Record

ROOT = Path(__file__).resolve().parents[2]


def _main(asked: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    copies: list[Copy] = []
    try:
        copies.append(Copy(ROOT, folder / "0"))
        # Copies of the copy: the tree may change meanwhile.
        copies += [Copy(copies[0].root, folder / str(i)) for i in range(1, asked.jobs)]
        return _run(asked, copies)
    finally:
        for copy in copies:
            copy.close()
        shutil.rmtree(folder, ignore_errors=True)


def _run(asked: argparse.Namespace, copies: Sequence[Copy]) -> int:
    root = copies[0].root
    record = Record(tree_hash(root), asked.state)
    planted = {mutant_of(root, entry): entry for entry in PLANTED}
    rule = () if asked.planted else generate(root)
    if stale := equivalent.stale(rule) if rule else ():
        print(*("these excuse nothing any more:", *stale), sep="\n  ")
        return 2
    chosen = _chosen((*planted, *rule), asked, record)
    tried, spared = equivalent.split(chosen)
    by_id((*tried, *spared))
    verdicts = {mutant: known for mutant in tried if (known := record.of(mutant))}
    left = [mutant for mutant in tried if mutant not in verdicts]
    print(
        f"{len(chosen)} mutants, {len(spared)} of them equivalent, {len(left)} to try", flush=True
    )
    if left and not _control(copies[0], left, asked.timeout):
        return 2
    hints = {mutant.id: entry.caught_by for mutant, entry in planted.items()}
    for mutant, verdict in judge_all(copies, left, record, hints, asked.timeout):
        verdicts[mutant] = verdict
        print(progress(len(verdicts), len(tried), mutant, verdict), flush=True)
    breaks = {mutant.id: entry.breaks for mutant, entry in planted.items()}
    print("", *report(verdicts, spared, breaks), sep="\n")
    return int(any(not verdict.is_killed for verdict in verdicts.values()))


def _chosen(
    mutants: Sequence[Mutant], asked: argparse.Namespace, record: Record
) -> Sequence[Mutant]:
    pattern = re.compile(asked.only)
    chosen = [mutant for mutant in mutants if pattern.search(mutant.id)]
    if asked.survivors:
        chosen = [mutant for mutant in chosen if record.has_survived(mutant)]
    if asked.sample is not None and asked.sample < len(chosen):
        chosen = Random(asked.seed).sample(chosen, asked.sample)
        chosen.sort(key=lambda mutant: (mutant.path, mutant.start))
    return chosen


def _control(copy: Copy, left: Sequence[Mutant], hang_s: float) -> bool:
    """A test that fails anyway would kill every mutant."""
    print("first the tree as it is, which must pass", flush=True)
    outcome = control(copy, sorted({mutant.path for mutant in left}), hang_s)
    if not outcome.has_passed:
        print(outcome.output, "the tree itself fails: nothing was tried", sep="\n")
    return outcome.has_passed


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    parser.add_argument(
        "--only", default="", help="where this is found in path:line:column:operator"
    )
    parser.add_argument("--planted", action="store_true", help="those planted by hand only")
    parser.add_argument("--survivors", action="store_true", help="what survived last, by --state")
    parser.add_argument("--sample", type=int, help="so many of them, by chance")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2, help="at once, each with a store of its own")
    parser.add_argument("--timeout", type=float, default=HANG_S, help="of one test, in seconds")
    parser.add_argument("--state", type=Path, help="the file that keeps verdicts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(_main(_asked()))
