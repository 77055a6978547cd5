"""Mutants are caught for real, and by no accident: the tree as it is passes the same tests.

The long form, with every mutant: `make mutants`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.copies import Copy, tree_hash
from tests.mutants.mutant import Mutant
from tests.mutants.plant import Planted, mutant_of
from tests.mutants.planted import PLANTED
from tests.mutants.report import progress, report
from tests.mutants.run import ROOT
from tests.mutants.verdict import Record, Verdict

SHORT = tuple(planted for planted in PLANTED if planted.is_in_ci)

TEXT = "return a < b\n"
MUTANT = Mutant("x.lua", TEXT, 9, 10, "<=", "less")
KILLED = Verdict(is_killed=True, by="tests/test_x.py::test_x", seconds=1.0)
SURVIVED = Verdict(is_killed=False, by="", seconds=3.0)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """One for all: what is planted in it is taken out again."""
    copy = Copy(ROOT, tmp_path_factory.mktemp("mutants"))
    yield copy
    copy.close()


@pytest.mark.parametrize("planted", SHORT, ids=lambda planted: planted.breaks)
def test_what_is_planted_is_caught(copy: Copy, planted: Planted) -> None:
    with copy.changed(mutant_of(copy.root, planted)):
        outcome = copy.pytest([planted.caught_by])
    assert outcome.code == 1, outcome.output
    assert all(name.startswith(planted.caught_by) for name in outcome.failed), outcome.output
    assert outcome.failed != ()


def test_the_tree_as_it_is_passes_the_same_tests(copy: Copy) -> None:
    # The copy of the mutants above: so it is also whole again.
    outcome = copy.pytest(tuple(dict.fromkeys(planted.caught_by for planted in SHORT)))
    assert outcome.has_passed, outcome.output


def test_what_is_imported_already_sees_each_mutant_of_lua_and_then_the_tree(copy: Copy) -> None:
    # given mutants of what the store runs and of what tests load while they are imported
    lua = [planted for planted in SHORT if planted.path.endswith(".lua")]
    for planted in lua:
        with copy.changed(mutant_of(copy.root, planted)):
            outcome = copy.pytest([planted.caught_by], is_warm=True)
        assert (outcome.code, len(set(outcome.failed))) == (1, 1), outcome.output
    # then the same processes pass without them, and a test that reads scripts is as good as any
    tests = {planted.caught_by for planted in lua}
    outcome = copy.pytest(sorted(tests | {"tests/store/test_checks.py"}), is_warm=True)
    assert outcome.has_passed, outcome.output
    assert {path.partition("/test_")[0] for path in tests} >= {"tests/lua", "tests/store"}


def test_a_copy_is_put_back_and_the_tree_is_never_touched(copy: Copy) -> None:
    mutant = mutant_of(ROOT, SHORT[0])
    before = tree_hash(copy.root)
    with copy.changed(mutant):
        assert (copy.root / mutant.path).read_text() == mutant.mutated
        assert (ROOT / mutant.path).read_text() == mutant.text
        assert tree_hash(copy.root) != before
    assert (copy.root / mutant.path).read_text() == mutant.text
    assert tree_hash(copy.root) == before


def test_verdicts_outlive_a_run_and_count_for_their_tree_only(tmp_path: Path) -> None:
    file = tmp_path / "state"
    other = replace(MUTANT, end=MUTANT.start + 3, operator="other")
    record = Record("tree", file)
    record.add(MUTANT, KILLED)
    record.add(other, SURVIVED)
    with file.open("a") as cut_off:
        cut_off.write(json.dumps({"tree": "tree"})[:-3])
    again, elsewhere = Record("tree", file), Record("edited tree", file)
    assert (again.of(MUTANT), again.of(other)) == (KILLED, SURVIVED)
    assert elsewhere.of(MUTANT) is None
    assert elsewhere.likely(MUTANT) == elsewhere.likely(other) == (KILLED.by,)
    # and a run that goes on after the cut loses nothing
    elsewhere.add(MUTANT, SURVIVED)
    assert Record("edited tree", file).of(MUTANT) == SURVIVED
    assert (again.has_survived(MUTANT), again.has_survived(other)) == (False, True)


def test_a_survivor_is_shown_with_its_diff_and_what_it_breaks() -> None:
    lines = list(report({MUTANT: SURVIVED}, [], {MUTANT.id: "all of it"}))
    assert f"    {MUTANT.diff}" in lines
    assert "    planted: all of it" in lines
    assert lines[-1] == "0 passed, 1 failed"
    assert "SURVIVED" in progress(1, 1, MUTANT, SURVIVED)


def test_what_is_killed_is_counted() -> None:
    lines = list(report({MUTANT: KILLED}, [replace(MUTANT, new="==")], {}))
    assert lines[1].split() == ["x.lua", "2", "1", "1", "0"]
    assert lines[-1] == "1 passed, 0 failed"
