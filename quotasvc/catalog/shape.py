"""A tree checked against the models of `schema`, with each refusal in words for its author.

Knows pydantic's kinds of errors; turns them into problems that name the cure. What is meant for
a later version is refused here by name, so that nobody believes it to be in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from quotasvc.catalog.problem import CatalogFault, Finding, Path, Problem, choose
from quotasvc.catalog.scalar import quoted
from quotasvc.catalog.schema import CatalogFile, Entry
from quotasvc.catalog.tree import Document

_LATER_VALUES = {
    ("overflow", "credits_opt_in"): "overflow with the member's consent",
}
_LATER_KEYS = {"grant": "recurring grants of credits"}
"""Planned, not there yet: what the author wrote, and what it is called."""

_MISPLACED_KEYS: dict[Path, tuple[str, str]] = {
    ("cycle", "length"): ("a cycle is as long as its subscription says", "remove it"),
}
"""Known elsewhere, and why not here: the kind of window, and the key."""

_EXPECTED = {
    "int_type": ("a whole number", "1"),
    "string_type": ("text", '"text"'),
    "bool_type": ("true or false", "true"),
    "tuple_type": ("a list", "[one, two]"),
    "dict_type": ("a mapping", "{key: value}"),
    "model_type": ("a mapping", "{key: value}"),
    "model_attributes_type": ("a mapping", "{key: value}"),
}
"""What each kind of error expected, with an example for fields that have none."""


def shaped(document: Document) -> CatalogFile:
    """The document as models; a CatalogFault names everything that has the wrong shape."""
    try:
        return CatalogFile.model_validate(document.root.plain())
    except ValidationError as error:
        problems = [_problem(document, details) for details in error.errors()]
        raise CatalogFault(problems) from error


def _problem(document: Document, error: ErrorDetails) -> Problem:
    path = error["loc"]
    if error["type"] == "missing":
        key = str(path[-1])
        return document.missing(path[:-1], key, _addition(path[:-1], key))
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _tag_problem(document, error)
    return document.problem(Finding(path, *_words(error)))


def _words(error: ErrorDetails) -> tuple[str, str]:
    """What is wrong and what would be right, by the kind of the error."""
    kind, path, value = error["type"], error["loc"], error["input"]
    context = error.get("ctx", {})
    if kind == "catalog":
        return context["wrong"], context["right"]
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "literal_error":
        return _unknown_value(path, value)
    if kind in _EXPECTED:
        expected, example = _EXPECTED[kind]
        return f"{quoted(value)} is not {expected}", _example(path, example)
    if kind in ("too_short", "string_too_short"):
        return "is empty", _example(path, "[one]" if kind == "too_short" else '"text"')
    if kind == "greater_than_equal":
        return f"{quoted(value)} is too small", f"write at least {context['ge']}"
    if kind == "less_than_equal":
        return f"{quoted(value)} is too large", f"write at most {context['le']}"
    raise AssertionError(f"no words for {kind}")  # a model gained a constraint: add it above


def _tag_problem(document: Document, error: ErrorDetails) -> Problem:
    """A union that is told apart by one key: that key is missing or wrong."""
    context = error["ctx"]
    key = context["discriminator"].strip("'")
    known = _literals(_fields((*error["loc"], key)))
    if error["type"] == "union_tag_not_found":
        return document.missing(error["loc"], key, f"add it: {choose('', known)}")
    path = (*error["loc"], key)
    return document.problem(Finding(path, *_unknown_value(path, context["tag"])))


def _unknown_key(path: Path) -> tuple[str, str]:
    key = str(path[-1])
    if key in _LATER_KEYS:
        return _later(_LATER_KEYS[key])
    if path[-2:] in _MISPLACED_KEYS:
        return _MISPLACED_KEYS[path[-2:]]
    known = [name for entry in _entries(path[:-1]) for name in _named_fields(entry)]
    return f"`{key}` is not known here", choose(key, known)


def _unknown_value(path: Path, value: object) -> tuple[str, str]:
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    if isinstance(value, str) and (key, value) in _LATER_VALUES:
        return _later(_LATER_VALUES[key, value])
    known = _literals(_fields(path))
    return f"{quoted(value)} is none of {', '.join(known)}", choose(str(value), known)


def _later(what: str) -> tuple[str, str]:
    return f"{what}: planned for a later version", "remove it: it would not be in force"


def _example(path: Path, otherwise: str) -> str:
    examples = (example for field in _fields(path) for example in field.examples or ())
    return f"write e.g. `{next(examples, otherwise)}`"


def _addition(parent: Path, key: str) -> str:
    known = _literals(_fields((*parent, key)))
    if known:
        return f"add it: {choose('', known)}"
    for field in _fields((*parent, key)):
        for example in field.examples or ():
            return f"add it, e.g. `{key}: {example}`"
    return "add it"


def _entries(path: Path) -> tuple[type[Entry], ...]:
    """The models that a mapping at `path` may have; a union's tag in the path picks one."""
    found: tuple[type[Entry], ...] = (CatalogFile,)
    for part in path:
        tagged = tuple(entry for entry in found if part in _tags(entry))
        nested = tuple(
            inner
            for entry in found
            for name, field in _named_fields(entry).items()
            if name == part
            for inner in _models_in(field.annotation)
        )
        found = tagged or nested or found
    return found


def _fields(path: Path) -> tuple[FieldInfo, ...]:
    """The fields that the last key on `path` may stand for; indexes and tags are passed over."""
    keys = [index for index, part in enumerate(path) if isinstance(part, str)]
    for end in reversed(keys):
        found = tuple(
            field
            for entry in _entries(path[:end])
            for name, field in _named_fields(entry).items()
            if name == path[end]
        )
        if found:
            return found
    return ()


def _named_fields(entry: type[Entry]) -> dict[str, FieldInfo]:
    """Fields by their names in the file."""
    return {field.alias or name: field for name, field in entry.model_fields.items()}


def _tags(entry: type[Entry]) -> tuple[str, ...]:
    return _literals((entry.model_fields["kind"],)) if "kind" in entry.model_fields else ()


def _literals(fields: tuple[FieldInfo, ...]) -> tuple[str, ...]:
    """The words that these fields allow."""
    return tuple(word for field in fields for word in _words_in(field.annotation))


def _words_in(annotation: object) -> Iterator[str]:
    for inner in get_args(annotation):
        if get_origin(annotation) is Literal:
            yield str(inner)
        else:
            yield from _words_in(inner)


def _models_in(annotation: object) -> Iterator[type[Entry]]:
    if isinstance(annotation, type) and issubclass(annotation, Entry):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
