"""A pytest plugin: writes the name of every test that fails to the file of `--witness`.

Loaded by `-p tests.mutants.witness` in the copies where mutants are tried.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, settings

# That a test fails is all that is asked: nobody reads the smallest example of a mutant.
settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate))


class Witness:
    """Takes down what failed, a line each."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test, its set-up or its tear-down."""
        if report.failed:
            self._note(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that could not be imported."""
        if report.failed:
            self._note(report.nodeid)

    def _note(self, name: str) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            # Names may hold what ends a line.
            file.write(repr(name) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to."""
    parser.addoption("--witness", type=Path, required=False, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Only where it was asked for."""
    file = config.getoption("--witness")
    if file is not None:
        config.pluginmanager.register(Witness(file))
