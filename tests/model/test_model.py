"""The service and the oracle agree over random histories (the short form of `make model`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.run import play
from tests.model.tally import EXPECTED, Tally

EXAMPLES, STEPS = 60, 45
"""Histories of each round, and steps of each: how many answers they make is chance."""


@pytest.mark.parametrize("seed", [7, 2026])
def test_the_service_answers_what_the_semantics_says(seed: int, tmp_path: Path) -> None:
    # given an empty store, two services and the oracle of SEM-1 … SEM-54
    # when anything happens, in any order, then every answer is the same and all adds up (SEM-40)
    tally = play(seed, examples=EXAMPLES, steps=STEPS, folder=tmp_path, is_shrunk=False)
    # and the histories were long enough to say something
    assert tally.steps > 1_000
    assert tally.counts["move", "admitted"] > 100


def test_what_a_long_run_did_not_reach_is_told() -> None:
    tally = Tally()
    for kind, names in EXPECTED.items():
        for name in names:
            tally.count(kind, name, 100)
    assert tally.missing(100) == []
    tally.count("payer", "WALLET", -1)
    assert tally.missing(100) == ["payer WALLET: 99"]
