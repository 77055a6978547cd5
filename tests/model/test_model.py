"""The service and the oracle agree over random histories (the short form of `make model`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotasvc.v1 import common_pb2, errors_pb2
from tests.model.expected import ALL, ELSEWHERE, EXPECTED
from tests.model.run import play
from tests.model.tally import Tally

EXAMPLES, STEPS = 40, 40
"""Histories of each round, and steps of each: how many answers they make is chance."""


@pytest.mark.parametrize("seed", [7, 2026])
def test_the_service_answers_what_the_semantics_says(seed: int, tmp_path: Path) -> None:
    # given an empty store, two services and the oracle of SEM-1 … SEM-54
    # when anything happens, in any order, then every answer is the same and all adds up (SEM-40)
    tally = play(seed, examples=EXAMPLES, steps=STEPS, folder=tmp_path, is_shrunk=False)
    # and the histories were long enough to say something
    assert tally.steps > 1_000
    assert tally.counts["move", "admitted"] > 100


def test_what_no_history_can_reach_is_something_of_the_contract_with_a_reason() -> None:
    for (kind, name), why in ELSEWHERE.items():
        assert name in ALL[kind]
        assert why


def test_every_denial_and_every_fault_of_the_contract_is_counted_here_or_elsewhere() -> None:
    for kind, enum in (("denial", common_pb2.DenialReason), ("fault", errors_pb2.Fault.Reason)):
        named = {*EXPECTED[kind], *(name for of, name in ELSEWHERE if of == kind)}
        assert named == {name for name in enum.keys() if "UNSPECIFIED" not in name}  # noqa: SIM118  # an enum of protobuf is no mapping


def test_what_a_long_run_did_not_reach_is_told() -> None:
    tally = Tally()
    for kind, names in EXPECTED.items():
        for name in names:
            tally.count(kind, name, 100)
    assert tally.missing(100) == []
    tally.count("payer", "WALLET", -1)
    assert tally.missing(100) == ["payer WALLET: 99"]
