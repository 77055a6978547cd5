"""kill -9 under load loses nothing that was acknowledged; and a checker that says so can also fail.

The long form, with many more kills: `make chaos`.
"""

from __future__ import annotations

import ast
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.checker import check
from tests.chaos.run import JOURNAL, Plan, report, restore, run, store_alone, verdict
from tests.chaos.stored import Store

OPERATIONS = 10_000
KILLS = 1
"""Of the store, and as many of the service."""

CHECKER = ("acknowledged", "checker", "history", "stored", "tally")

Lie = Callable[[Store, str], None]
"""Changes the store, given how the keys of team red begin."""


def _spend_of_a_lot(store: Store, prefix: str) -> None:
    store("HINCRBY", f"{prefix}credits:red:available", "lot-5", -1)


def _give_back_to_a_lot(store: Store, prefix: str) -> None:
    store("HINCRBY", f"{prefix}credits:red:consumed", "lot-3", -1)
    store("HINCRBY", f"{prefix}credits:red:available", "lot-3", 1)


def _charge_a_hold(store: Store, prefix: str) -> None:
    lot = next(iter(store.hash(f"{prefix}wallet:red:held")))
    store("HINCRBY", f"{prefix}wallet:red:held", lot, -1)
    store("HINCRBY", f"{prefix}wallet:red:consumed", lot, 1)


def _forget_usage(store: Store, prefix: str) -> None:
    (window,) = store.keys(f"{prefix}win:red:s-ann:general:*:a:*")
    store("HINCRBY", window, "t", -1)


def _drop_an_entry(store: Store, prefix: str) -> None:
    entries = store("XRANGE", f"{prefix}ledger", "-", "+")
    name = next(name for name, words in entries if words[:2] == ["team", "red"])
    store("XDEL", f"{prefix}ledger", name)


def _drop_a_record(store: Store, prefix: str) -> None:
    owners = store.owners(prefix)
    store("DEL", f"{prefix}res:{next(key for key, team in owners.items() if team == 'red')}")


def _count_twice(store: Store, prefix: str) -> None:
    store("HINCRBY", f"{prefix}team:red", "seq", 1)


def _lose_a_lot_from_the_list(store: Store, prefix: str) -> None:
    store("ZPOPMAX", f"{prefix}credits:red:all")


LIES: dict[Lie, str] = {
    _spend_of_a_lot: "credits lot lot-5",
    _give_back_to_a_lot: "credits lot lot-3: consumed",
    _charge_a_hold: "wallet lot wallet: held",
    _forget_usage: "window s-ann/general aligned",
    _drop_an_entry: "the ledger has",
    _drop_a_record: "acknowledged, and not in the store",
    _count_twice: "nobody was told of",
    _lose_a_lot_from_the_list: "it is not on the list of all lots",
}
"""Each with what the checker has to say about it."""

Forgery = Callable[[list[str]], list[str]]
"""Changes the journal."""


def _forget_an_answer(lines: list[str]) -> list[str]:
    at = _a_lone_commit(lines)
    return lines[:at] + lines[at + 1 :]


def _invent_an_answer(lines: list[str]) -> list[str]:
    facts = json.loads(lines[_a_lone_commit(lines)])
    return [*lines, json.dumps({**facts, "replayed": False}) + "\n"]


def _change_an_answer(lines: list[str]) -> list[str]:
    at = _a_lone_commit(lines)
    facts = json.loads(lines[at])
    facts["legs"][0]["nanos"] += 1
    return [*lines[:at], json.dumps(facts) + "\n", *lines[at + 1 :]]


def _a_lone_commit(lines: list[str]) -> int:
    """Where a commit stands that lots paid and that no other answer speaks of.

    Where a replay or a fault tells the same figures, the forgery is caught by their disagreement,
    in other words than those that are asked for here.
    """
    told = [json.loads(line) for line in lines]
    times = Counter(facts["id"] for facts in told if facts["kind"] == "commit")
    return next(
        at
        for at, facts in enumerate(told)
        if facts["kind"] == "commit"
        and "fault" not in facts
        and not facts["replayed"]
        and times[facts["id"]] == 1
        and any(leg["payer"] == 2 for leg in facts["legs"])
    )


FORGERIES: dict[Forgery, str] = {
    _forget_an_answer: "nobody was told",
    _invent_an_answer: "answers say that they were the first",
    _change_an_answer: "acknowledged",
}
"""Each with what the checker has to say about it."""


async def test_kill_9_loses_nothing_that_was_acknowledged(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    # given two teams with five lots each
    seed = time.time_ns() % 1_000_000
    plan = Plan(tmp_path, tmp_path / JOURNAL, seed, OPERATIONS, KILLS)
    # when the store and then the service are killed amid 10,000 operations
    figures = await run(plan)
    print(report(plan, figures))
    # then every acknowledged answer is accounted for (SEM-35, SEM-38, SEM-40)
    problems = await verdict(plan)
    assert problems == [], f"seed {plan.seed}, files in {tmp_path}"
    # and a checker that finds nothing is one that can find something
    honest = plan.folder / "honest"
    shutil.copytree(plan.log, honest)
    for lie, said in LIES.items():
        with subtests.test(lie.__name__):
            restore(plan, honest)
            _assert_said(said, await _verdict_on(plan, lie))
    with subtests.test("the store restored to an earlier state"):
        restore(plan, plan.earlier)
        _assert_said("the store is at", await verdict(plan))
    restore(plan, honest)
    async with store_alone(plan) as socket:
        for forge, said in FORGERIES.items():
            with subtests.test(forge.__name__):
                forged = plan.folder / "forged.jsonl"
                forged.write_text("".join(forge(plan.journal.read_text().splitlines(True))))
                _assert_said(said, check(forged, socket))


async def _verdict_on(plan: Plan, lie: Lie) -> list[str]:
    """What the checker says of a store that was changed by hand."""
    async with store_alone(plan) as socket:
        with Store(socket) as store:
            lie(store, store.prefix("red"))
        return check(plan.journal, socket)


def _assert_said(said: str, problems: list[str]) -> None:
    assert any(said in problem for problem in problems), problems[:10]


def test_the_checker_shares_no_code_with_the_service() -> None:
    folder = Path(__file__).parent
    for name in CHECKER:
        found = {
            imported
            for node in ast.walk(ast.parse((folder / f"{name}.py").read_text()))
            for imported in _imports(node)
        }
        ours = {module for module in found if module.startswith(("quotasvc", "tests"))}
        assert ours <= {"tests.chaos", *(f"tests.chaos.{module}" for module in CHECKER)}


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
