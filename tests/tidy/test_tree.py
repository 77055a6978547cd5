"""What a commit may hold: no stray files, addresses of registries, machine paths or loose ends."""

from __future__ import annotations

import re

import pytest

from tests.tidy.sources import ROOT, TOP, files, matches, name_of, text_of

# The words are taken apart so that this file does not break its own rules.
ADDRESS = re.compile(r"https?" + "://")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|farm|root)/")
LOOSE_END = re.compile(
    r"\b(?:TO[D]O|FIX[M]E|XX[X]|NotImplemented[E]rror|assert [T]rue)\b"
    r"|pytest\.mark\.(?:[s]kip|[x]fail)\b"
)
# A reason follows in the line, or fills the line above; what is suppressed is always named.
SUPPRESSION = re.compile(
    r"# (?:noqa(?P<rules>: [A-Z0-9, ]+)?|type: ignore(?P<codes>\[[\w, -]+\])?"
    r"|pragma: no (?P<branches>cover|branch))(?P<reason>.*)"
)
LOCKS = (".lock", "package-lock.json", ".npmrc", "go.sum")
CODE = (".py", ".pyi", ".lua", ".proto", ".go", ".ts", ".mjs", ".sh", "Makefile", "run")


def _broken(pattern: re.Pattern[str], *endings: str) -> dict[str, list[str]]:
    found = {name_of(path): matches(pattern, text_of(path)) for path in files(*endings)}
    return {name: lines for name, lines in found.items() if lines}


def test_the_top_level_holds_nothing_else() -> None:
    stray = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - set(TOP)
    assert stray == set()


def test_locks_hold_no_address() -> None:
    assert _broken(ADDRESS, *LOCKS) == {}


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert _broken(MACHINE_PATH) == {}


def test_no_loose_ends() -> None:
    assert _broken(LOOSE_END, *CODE) == {}


def _bare_suppressions(text: str) -> list[int]:
    """Lines that switch a check off without saying which one, or why."""
    found = []
    above = ""
    for number, line in enumerate(text.splitlines(), start=1):
        match = SUPPRESSION.search(line)
        if match:
            is_named = match["rules"] or match["codes"] or match["branches"]
            has_reason = match["reason"].strip(" #") or above.startswith("#")
            if not (is_named and has_reason):
                found.append(number)
        above = line.strip()
    return found


def test_every_suppression_carries_its_reason() -> None:
    found = {name_of(path): _bare_suppressions(text_of(path)) for path in files(".py")}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (ADDRESS, "--index-url https" + "://registry.example/simple"),
        (MACHINE_PATH, "cd /" + "work/main"),
        (MACHINE_PATH, 'path = "/' + 'root/.cache"'),
        (LOOSE_END, "# TO" + "DO: later"),
        (LOOSE_END, "    assert" + " True"),
        (LOOSE_END, "@pytest.mark." + "skip"),
    ],
)
def test_a_bad_line_is_found(pattern: re.Pattern[str], line: str) -> None:
    assert matches(pattern, f"first\n{line}\n") == [f"2: {line.strip()}"]


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATH, "docs/work/plan.md and ./root/x"),
        (LOOSE_END, "@pytest.mark.skipif(shutil.which('envoy') is None, reason='no Envoy')"),
    ],
)
def test_a_good_line_is_not(pattern: re.Pattern[str], line: str) -> None:
    assert matches(pattern, line) == []


@pytest.mark.parametrize(
    ("text", "is_bare"),
    [
        ("x = 1  # no" + "qa: E501", True),
        ("x = 1  # no" + "qa because it is long", True),
        ("x = f()  # type: " + "ignore[misc]", True),
        ("x = f()  # type: " + "ignore  # the library lies here", True),
        ("if debug:  # pragma: no " + "cover", True),
        ("x = f()  # type: " + "ignore[misc]  # the library lies here", False),
        ("# The library lies here.\nx = f()  # type: " + "ignore[misc]", False),
    ],
)
def test_a_bare_suppression_is_found(*, text: str, is_bare: bool) -> None:
    assert bool(_bare_suppressions(text)) is is_bare
