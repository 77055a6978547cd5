"""Every rule that a decision can show has a test; what cites a rule cites one that exists."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.rules.citations import OTHER_MEANINGS, Citation, citations, citations_in, ids_in
from tests.rules.table import (
    PAGE,
    STRICT,
    Kind,
    Later,
    Rule,
    current_page,
    known_ids,
    later,
    main,
    proofs,
    sections,
    status,
    untested,
)
from tests.tidy.sources import ROOT, text_of

MODULE = '''\
"""What it proves (A1, SEM-6 … 8)."""

X = "B1"

# A heading (A2).


# Right above (A3).
@mark(rows=[
    row(rules="A4, A5", words="B2"),  # Beside a row (A6).
])
def test_one(x: int) -> None:
    """In words (A7)."""
    check("B3")
    # Within (A8, M2.7).


def helper() -> None:
    """Not a test (A9)."""
'''


def test_the_page_is_current() -> None:
    assert text_of(PAGE) == current_page(), "run make rules"


def test_every_testable_rule_has_a_test_or_a_reason() -> None:
    assert untested(proofs(citations("tests"))) == []


@pytest.mark.parametrize("folder", ["tests", "quotasvc"])
def test_what_is_cited_exists(folder: str) -> None:
    unknown = [f"{c.place}:{c.line} {c.rule}" for c in citations(folder)]
    assert [words for words in unknown if words.split()[-1] not in known_ids()] == []


def test_what_waits_exists_and_says_for_what() -> None:
    assert later().keys() - known_ids() == set()
    assert {one.needs for one in later().values()} <= {"control plane", "ledger", "gateways"}
    assert all(one.part and one.why for one in later().values())


def test_other_meanings_are_still_in_use() -> None:
    found = {(path, name) for path, name in OTHER_MEANINGS if name in ids_in(text_of(ROOT / path))}
    assert found == OTHER_MEANINGS.keys()


def test_the_rules_are_numbered_without_gaps() -> None:
    ids = [rule.rule_id for section in sections() for rule in section.rules]
    assert max(Counter(ids).values()) == 1
    for section in sections():
        names = [rule.rule_id for rule in section.rules]
        prefix = "SEM-" if section.name == "SEM" else section.name
        whole = [name for name in names if not name[-1].isalpha()]
        assert whole == [f"{prefix}{number}" for number in range(1, len(whole) + 1)]
        assert all(
            rule.says and (rule.kind is Kind.DECIDED) == bool(rule.by) for rule in section.rules
        )
    assert {section.name for section in sections()} >= set(STRICT)


@pytest.mark.parametrize("rule", [r for s in sections() for r in s.rules if r.by])
def test_what_decides_a_rule_exists(rule: Rule) -> None:
    assert set(ids_in(rule.by)) <= known_ids()


# What a citation is.


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("(A5, converse)", ["A5"]),
        ("C1, D1 (S1:79, S1:102), C5", ["C1", "D1", "C5"]),
        ("I1-I3 and A1 … A3", ["I1", "I2", "I3", "A1", "A2", "A3"]),
        ("A5 - B7", ["A5", "B7"]),
        ("(A, B, F, G)", []),
        ("SEM-2a, SEM-13: free", ["SEM-2a", "SEM-13"]),
        ("SEM-6 … 9, 47, 48)", ["SEM-6", "SEM-7", "SEM-8", "SEM-9", "SEM-47", "SEM-48"]),
        ("SEM-21…25", ["SEM-21", "SEM-22", "SEM-23", "SEM-24", "SEM-25"]),
        ("SEM-14 … SEM-16", ["SEM-14", "SEM-15", "SEM-16"]),
        ("SEM-8, 47", ["SEM-8", "SEM-47"]),
        ("SEM-2 and 16.", ["SEM-2", "SEM-16"]),
        ("SEM-18, 05", ["SEM-18"]),
        ("SEM-30, 32 scripts at most", ["SEM-30"]),
        ("SEM-11 split, then N10", ["SEM-11", "N10"]),
    ],
)
def test_ids_are_read_alone_in_lists_and_in_ranges(text: str, ids: list[str]) -> None:
    assert ids_in(text) == ids


@pytest.mark.parametrize(
    "text",
    [
        "M2.7 and MiniMax-M2.7-highspeed",
        "text/M3 or v.M3",
        "M2-highspeed",
        "UTF-8, S1:29, E501, H264, XA1, A1b, a5",
        "2^53, SEM-0, SEM-x, SEMA-1",
    ],
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    assert ids_in(text) == []


def test_citations_belong_to_the_test_around_them_or_else_to_the_module() -> None:
    # when a module is read that cites in every way
    found = citations_in(ast.parse(MODULE), MODULE, "tests/test_x.py")
    # then each citation stands where a reader would look for it, and data is none
    assert [(c.rule, c.test) for c in found] == [
        ("A1", None),
        ("SEM-6", None),
        ("SEM-7", None),
        ("SEM-8", None),
        ("A2", None),
        ("A3", "test_one"),
        ("A4", "test_one"),
        ("A5", "test_one"),
        ("A6", "test_one"),
        ("A7", "test_one"),
        ("A8", "test_one"),
        ("A9", None),
    ]


def test_another_meaning_is_no_citation() -> None:
    ((path, name), *_) = OTHER_MEANINGS
    text = f"# {name}\n"
    assert citations_in(ast.parse(text), text, path) == []
    assert [c.rule for c in citations_in(ast.parse(text), text, "tests/test_x.py")] == [name]


# How a rule stands.


def test_a_file_stands_for_its_tests_only_where_none_cites_for_itself() -> None:
    # given two files that both cite, one of them also in a test; a helper cites too
    found = [
        Citation("tests/test_a.py", 1, "B1", None),
        Citation("tests/test_a.py", 9, "B1", "test_x"),
        Citation("tests/test_a.py", 8, "B1", "test_x"),
        Citation("tests/test_b.py", 1, "B1", None),
        Citation("tests/support/lua.py", 1, "B1", None),
        Citation("quotasvc/test_c.py", 1, "B1", None),
    ]
    # then each proof is named once
    assert proofs(found) == {"B1": ["tests/test_a.py::test_x", "tests/test_b.py"]}


def test_a_rule_without_test_and_reason_is_named() -> None:
    strict = {r.rule_id for s in sections() if s.name in STRICT for r in s.rules}
    missing = untested({})
    assert set(missing) <= strict - later().keys()
    assert {"B1", "C8", "J5"} <= set(missing)
    assert not {"G2", "B13", "D11", "A1", "SEM-1"} & set(missing)
    assert untested({name: ["tests/test_a.py"] for name in missing}) == []


@pytest.mark.parametrize(
    ("kind", "by", "is_tested", "needs", "words"),
    [
        (Kind.TESTABLE, "", True, "", "tested"),
        (Kind.TESTABLE, "", False, "", "no test yet"),
        (Kind.TESTABLE, "", False, "control plane", "needs the control plane"),
        (Kind.TESTABLE, "", True, "ledger", "partly; needs the ledger"),
        (Kind.TESTABLE, "", False, "gateways", "needs gateways"),
        (Kind.DECIDED, "SEM-11", False, "", "decided in SEM-11"),
        (Kind.DECIDED, "SEM-11", True, "", "tested; decided in SEM-11"),
        (Kind.INFORMATION, "", False, "", "information"),
        (Kind.INFORMATION, "", True, "", "tested"),
    ],
)
def test_the_status_of_a_rule(
    *, kind: Kind, by: str, is_tested: bool, needs: str, words: str
) -> None:
    rule = Rule(rule_id="B1", kind=kind, says="x", by=by)
    why_later = Later(needs=needs, part="x", why="x") if needs else None
    assert status(rule, is_tested, why_later) == words


def test_the_command_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err
