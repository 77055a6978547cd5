"""A Python that has imported the tests already, for mutants of Lua: each run of pytest is a fork.

Importing takes longer than most mutants live. A module of tests that reads Lua while it is imported
is refused here, so that each fork imports it anew and sees the mutant; a mutant of Python must
never be tried here.

Reads a line of JSON for each run from its standard input, [output file, arguments of pytest], and
answers each with pytest's exit code.
"""

from __future__ import annotations

import gc
import json
import os
import sys

import pytest

IMPORTED = ("tests/store", "tests/model", "tests/rules")

QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Plugins are imported already, and so cannot be rewritten; pytest did when it first did."""


def _run(output: str, arguments: list[str]) -> int:
    """In the fork: pytest, with all that it says in a file."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return int(pytest.main([*QUIET, *arguments]))


class _Refused:
    """Refuses modules that read Lua, and forgets what was imported of them."""

    is_on = True

    def audit(self, event: str, facts: tuple[object, ...]) -> None:
        """Sees every file that is opened."""
        if self.is_on and event == "open" and str(facts[0]).endswith(".lua"):
            raise RuntimeError(f"{facts[0]} is read by an import")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that could not be imported."""
        if report.failed:
            path = os.path.abspath(report.nodeid)
            for name, module in list(sys.modules.items()):
                if getattr(module, "__file__", None) == path:
                    del sys.modules[name]


def _import(options: list[str]) -> None:
    """Imports all that may be, and says nothing."""
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    refused = _Refused()
    sys.addaudithook(refused.audit)
    found = filter(os.path.exists, IMPORTED)
    pytest.main([*QUIET, *options, "--maxfail=0", "--collect-only", *found], [refused])
    refused.is_on = False
    sys.stdout.flush()
    os.dup2(answers, 1)
    os.close(answers)


def main(options: list[str]) -> None:
    """Serves until its input ends."""
    _import(options)
    gc.freeze()
    for line in sys.stdin:
        output, arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = _run(output, arguments)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
