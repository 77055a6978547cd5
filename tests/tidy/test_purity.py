"""Time, chance and the environment come in as arguments; the domain is pure and whole-numbered."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.tidy.sources import name_of, python_files, tree_of

CLOCKS = (
    *("time.time", "time.time_ns", "datetime.date.today"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
)
CHANCE = ("os.urandom", "uuid.uuid1", "uuid.uuid4", "random.", "secrets.")
ENVIRONMENT = ("os.environ", "os.environb", "os.getenv")

EDGES = (
    *("quotasvc/app.py", "quotasvc/worker.py", "quotasvc/worker_process.py"),
    *("quotasvc/__main__.py", "quotasvc/cli", "quotasvc/doors"),
)
ALLOWED: dict[tuple[str, ...], tuple[str, ...]] = {
    CLOCKS: EDGES,
    CHANCE: EDGES,
    # Read once, in one place; and what a service tells the processes of its door.
    ENVIRONMENT: ("quotasvc/config.py", "quotasvc/assignment.py"),
}

# A generator that is handed in has this type; only making one is chance.
GENERATOR = "random.Random"


def _imported(tree: ast.Module) -> dict[str, str]:
    """What the imported names stand for: {"now_ns": "time.time_ns"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            # `import a.b` binds a; `import a.b as c` binds c to a.b.
            for alias in node.names:
                root = alias.name.partition(".")[0]
                names[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, imported: dict[str, str]) -> str:
    """The full name that an expression spells; empty if it is none that was imported."""
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, imported)
        return owner and f"{owner}.{node.attr}"
    return imported.get(node.id, "") if isinstance(node, ast.Name) else ""


def _uses(tree: ast.Module, sources: tuple[str, ...]) -> Iterator[str]:
    """Each use of a source, called or passed on; "random." stands for all of a module."""
    imported = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _dotted(node.func, imported) == GENERATOR:
            name = f"{GENERATOR}()"
        elif isinstance(node, ast.Attribute | ast.Name):
            name = _dotted(node, imported)
        else:
            continue
        modules = tuple(source for source in sources if source.endswith("."))
        if name in sources or (name.startswith(modules) and name != GENERATOR):
            yield f"{node.lineno}: {name}"


def _foreign_imports(tree: ast.Module, own: str) -> list[str]:
    """Imports that are neither the standard library nor `own`."""
    modules: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or own)
    return [
        module
        for module in modules
        if module.partition(".")[0] not in sys.stdlib_module_names
        and not f"{module}.".startswith(f"{own}.")
    ]


def _fractions(tree: ast.Module) -> list[int]:
    """Lines where a float can arise: a literal, `float` itself, a true division."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
    ]


@pytest.mark.parametrize("sources", ALLOWED, ids=["clocks", "chance", "environment"])
def test_time_chance_and_environment_stay_at_the_edge(sources: tuple[str, ...]) -> None:
    found = {
        name_of(path): uses
        for path in python_files("quotasvc")
        if not name_of(path).startswith(ALLOWED[sources])
        and (uses := list(_uses(tree_of(path), sources)))
    }
    assert found == {}


def test_domain_imports_only_the_standard_library_and_itself() -> None:
    found = {
        name_of(path): foreign
        for path in python_files("quotasvc/domain")
        if (foreign := _foreign_imports(tree_of(path), "quotasvc.domain"))
    }
    assert found == {}


def test_domain_has_no_fractions() -> None:
    found = {
        name_of(path): lines
        for path in python_files("quotasvc/domain")
        if (lines := _fractions(tree_of(path)))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("sources", "source"),
    [
        (CLOCKS, "import time\nx = time.time()"),
        (CLOCKS, "from time import time_ns as now\ndef f(clock=now): ..."),
        (CLOCKS, "from datetime import datetime, UTC\nx = datetime.now(UTC)"),
        (CLOCKS, "import datetime as dt\nx = dt.date.today()"),
        (CHANCE, "import random\nx = random.random()"),
        (CHANCE, "from random import Random\nx = Random(7)"),
        (CHANCE, "from secrets import token_bytes\nx = token_bytes(8)"),
        (CHANCE, "import uuid\nx = uuid.uuid4()"),
        (ENVIRONMENT, 'import os\nx = os.environ.get("HOME")'),
        (ENVIRONMENT, 'from os import getenv\nx = getenv("HOME")'),
    ],
)
def test_a_hidden_input_is_found(sources: tuple[str, ...], source: str) -> None:
    assert len(list(_uses(ast.parse(source), sources))) == 1


@pytest.mark.parametrize(
    ("sources", "source"),
    [
        (CLOCKS, "import time\nx = time.monotonic()"),
        (CHANCE, "from random import Random\ndef f(chance: Random): return chance.random()"),
        (CHANCE, "import random\ndef f(chance: random.Random): ..."),
    ],
)
def test_an_input_that_is_handed_in_is_not(sources: tuple[str, ...], source: str) -> None:
    assert list(_uses(ast.parse(source), sources)) == []


@pytest.mark.parametrize(
    "source", ["import grpc", "from quotasvc.store import keys", "from redis import asyncio"]
)
def test_a_foreign_import_is_found(source: str) -> None:
    assert len(_foreign_imports(ast.parse(source), "quotasvc.domain")) == 1


@pytest.mark.parametrize("source", ["x = 0.5", "x = float(y)", "x = a / b", "x /= 2"])
def test_a_fraction_is_found(source: str) -> None:
    assert _fractions(ast.parse(source)) == [1]
