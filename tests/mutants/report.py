"""What a run prints: a line for each mutant, then a table by file and every survivor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tests.mutants.mutant import Mutant
from tests.mutants.verdict import Verdict


def progress(number: int, total: int, mutant: Mutant, verdict: Verdict) -> str:
    """One verdict, as it comes."""
    what = f"killed by {verdict.by}" if verdict.is_killed else "SURVIVED"
    lines = [f"[{number:4}/{total}] {verdict.seconds:6.1f} s  {mutant.id}: {what!r:.150}"]
    if not verdict.is_killed:
        lines.append(f"    {mutant.diff}")
    return "\n".join(lines)


def report(
    verdicts: Mapping[Mutant, Verdict],
    equivalent: Sequence[Mutant],
    breaks: Mapping[str, str],
) -> Iterator[str]:
    """The lines that end a run; `breaks` says by name what planted mutants break."""
    survivors = [mutant for mutant, verdict in verdicts.items() if not verdict.is_killed]
    generated = Counter(mutant.path for mutant in (*verdicts, *equivalent))
    survived = Counter(mutant.path for mutant in survivors)
    spared = Counter(mutant.path for mutant in equivalent)
    yield f"{'file':48} {'generated':>9} {'killed':>9} {'equivalent':>10} {'survived':>9}"
    for path in sorted(generated):
        killed = generated[path] - spared[path] - survived[path]
        yield (f"{path:48} {generated[path]:9} {killed:9} {spared[path]:10} {survived[path]:9}")
    for mutant in sorted(survivors, key=lambda m: (m.path, m.start)):
        yield ""
        yield f"survived: {mutant.id}"
        yield f"    {mutant.diff}"
        if mutant.id in breaks:
            yield f"    planted: {breaks[mutant.id]}"
        else:
            key = mutant.key
            where = f"{key.path!r}, {key.line!r}, {key.column}, {key.operator!r}, {key.occurrence}"
            yield f"    Key({where}): 'why',"
    seconds = sum(verdict.seconds for verdict in verdicts.values())
    yield ""
    yield f"{seconds / max(1, len(verdicts)):.1f} s a mutant, {len(equivalent)} equivalent"
    yield f"{len(verdicts) - len(survivors)} passed, {len(survivors)} failed"
