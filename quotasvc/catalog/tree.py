"""YAML text as a tree that knows where each value is written.

Stricter than YAML on purpose: no duplicate keys, aliases, merge keys or tags, and of all plain
scalars only whole numbers, `true` and `false` are more than text. So `0.30` reaches the price
parser as it was written, and no float is ever made. A key without a value is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import yaml

from quotasvc.catalog.problem import CatalogFault, Finding, Path, Problem, show_path

Scalar = str | int | bool
Plain = Scalar | tuple["Plain", ...] | dict[str, "Plain"]
"""What is left of a tree without its positions."""

_INT = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_BOOLEANS = {"true": True, "false": False}
_NULLS = ("", "~", "null")
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


@dataclass(frozen=True, slots=True)
class Node:
    """A value with the path and position of its text; of a key's value, the key's position."""

    path: Path
    line: int
    column: int
    value: Scalar | tuple[Node, ...] | Mapping[str, Node]

    def plain(self) -> Plain:
        """The value alone: scalars, tuples and dicts."""
        if isinstance(self.value, tuple):
            return tuple(node.plain() for node in self.value)
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        return self.value

    def child(self, part: str | int) -> Node | None:
        """The value at a key or an index, None where there is none."""
        if isinstance(self.value, Mapping) and isinstance(part, str):
            return self.value.get(part)
        if isinstance(self.value, tuple) and isinstance(part, int) and part < len(self.value):
            return self.value[part]
        return None


@dataclass(frozen=True, slots=True)
class Document:
    """A file's tree. Paths are looked up in the tree as it is used, and reported as written."""

    file: str
    root: Node

    def problem(self, finding: Finding) -> Problem:
        """Locates a finding."""
        node = self._deepest(finding.path)
        return self._at(node, node.path, finding.wrong, finding.right)

    def missing(self, parent: Path, key: str, right: str) -> Problem:
        """The problem of a key that `parent` lacks."""
        node = self._deepest(parent)
        return self._at(node, (*node.path, key), f"`{key}` is missing", right)

    def refuse(self, findings: Iterable[Finding]) -> None:
        """Raises a CatalogFault if there is any finding."""
        problems = [self.problem(finding) for finding in findings]
        if problems:
            raise CatalogFault(problems)

    def _deepest(self, path: Path) -> Node:
        """The last node on `path`: a default has no text of its own, a union's tag is no key."""
        node = self.root
        for part in path:
            node = node.child(part) or node
        return node

    def _at(self, node: Node, path: Path, wrong: str, right: str) -> Problem:
        return Problem(
            file=self.file,
            line=node.line,
            column=node.column,
            path=show_path(path),
            wrong=wrong,
            right=right,
        )


def compose(text: str, file: str) -> Document:
    """Parses `text`; a CatalogFault names every duplicate key, or the first error of syntax."""
    try:
        composed = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _syntax(file, mark, error.problem or "is not YAML") from error
    except yaml.YAMLError as error:
        raise _syntax(file, None, str(error)) from error
    except RecursionError as error:
        raise _syntax(file, None, "is nested too deeply") from error
    if composed is None:
        raise _syntax(file, None, "is empty")
    reader = _Reader(file)
    root = reader.node(composed, (), composed.start_mark)
    if reader.problems:
        raise CatalogFault(reader.problems)
    return Document(file, root)


class _Loader(yaml.BaseLoader):
    """Composes nodes; an alias is an error, so that a small file cannot unfold into a huge one."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases are not taken: write the value out, or use `like`",
                # The stubs leave the parser's methods untyped.
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)


class _Reader:
    """Turns composed YAML nodes into ours, and gathers what is wrong on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def node(self, source: yaml.Node, path: Path, mark: yaml.Mark) -> Node:
        """The node of `source`, reported at `mark`."""
        if source.tag not in _TAGS:
            self._add(source.start_mark, path, f"the tag `{source.tag}` is not taken", "remove it")
        return Node(path, mark.line + 1, mark.column + 1, self._value(source, path))

    def _value(
        self, source: yaml.Node, path: Path
    ) -> Scalar | tuple[Node, ...] | Mapping[str, Node]:
        if isinstance(source, yaml.SequenceNode):
            return tuple(
                self.node(item, (*path, index), item.start_mark)
                for index, item in enumerate(source.value)
            )
        if isinstance(source, yaml.MappingNode):
            return self._mapping(source, path)
        return self._scalar(source, path)

    def _scalar(self, source: yaml.Node, path: Path) -> Scalar:
        text = str(source.value)
        if not isinstance(source, yaml.ScalarNode) or source.style is not None:
            return text  # quoted
        if text in _NULLS:
            self._add(source.start_mark, path, "has no value", "give it one, or remove the key")
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        return int(text) if _INT.fullmatch(text) else text

    def _mapping(self, source: yaml.MappingNode, path: Path) -> Mapping[str, Node]:
        children: dict[str, Node] = {}
        for key, value in source.value:
            name = key.value
            mark = key.start_mark
            if not isinstance(name, str) or name == "<<":
                self._add(mark, path, "a key is plain text, and `<<` is not taken", "use `like`")
            elif name in children:
                first = children[name].line
                self._add(
                    mark,
                    (*path, name),
                    f"`{name}` is given twice, first on line {first}",
                    "keep one of them",
                )
            else:
                children[name] = self.node(value, (*path, name), mark)
        return MappingProxyType(children)

    def _add(self, mark: yaml.Mark, path: Path, wrong: str, right: str) -> None:
        self.problems.append(
            Problem(
                file=self.file,
                line=mark.line + 1,
                column=mark.column + 1,
                path=show_path(path),
                wrong=wrong,
                right=right,
            )
        )


def _syntax(file: str, mark: yaml.Mark | None, wrong: str) -> CatalogFault:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    right = "see catalog.schema.json for the format"
    return CatalogFault(
        [Problem(file=file, line=line, column=column, path="", wrong=wrong, right=right)]
    )
