"""`like`: a plan takes what it does not state from a plan above it.

One rule: what is stated here replaces; what is not stated is taken over. Allowances are matched
by their id and windows by their type; any other list or mapping is replaced as a whole. Each
node keeps the place where it is written, so a problem points at its own line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from quotasvc.catalog.problem import Finding, choose
from quotasvc.catalog.tree import Document, Node

_OWN = ("id", "like")
"""Never taken over."""

_MATCHED_BY = {"allowances": "id", "windows": "type"}
"""Lists that are merged item by item, and the key that identifies an item."""


def inherit(document: Document) -> Document:
    """The document with every `like` of its plans carried out."""
    plans = document.root.child("plans")
    if plans is None or not isinstance(plans.value, tuple):
        return document  # the shape check says what is wrong
    whole: list[Node] = []
    above: dict[str, Node] = {}
    findings: list[Finding] = []
    for index, plan in enumerate(plans.value):
        like = _text(plan, "like")
        if like is not None and like not in above:
            wrong = f"there is no plan `{like}` above this one"
            findings.append(Finding(("plans", index, "like"), wrong, choose(like, above)))
        elif like is not None:
            plan = _over(above[like], plan)
        whole.append(plan)
        plan_id = _text(plan, "id")
        if plan_id is not None:
            above.setdefault(plan_id, plan)
    document.refuse(findings)
    assert isinstance(document.root.value, Mapping)
    merged = {**document.root.value, "plans": replace(plans, value=tuple(whole))}
    return replace(document, root=replace(document.root, value=MappingProxyType(merged)))


def _over(base: Node, top: Node) -> Node:
    """`top` laid over `base`; the result is reported where `top` is."""
    assert isinstance(base.value, Mapping), "has an id, or a type"
    assert isinstance(top.value, Mapping), "has an id, or a type"
    merged = {key: node for key, node in base.value.items() if key not in _OWN}
    for key, node in top.value.items():
        under = base.value.get(key)
        identity = _MATCHED_BY.get(key)
        merged[key] = _items_over(under, node, identity) if under and identity else node
    return replace(top, value=MappingProxyType(merged))


def _items_over(base: Node, top: Node, identity: str) -> Node:
    if not isinstance(base.value, tuple) or not isinstance(top.value, tuple):
        return top  # the shape check says what is wrong
    merged = list(base.value)
    place = {_text(node, identity): index for index, node in enumerate(base.value)}
    place.pop(None, None)
    for node in top.value:
        # Taken out of `place`: a second item of that name stays, for the checks to refuse.
        index = place.pop(_text(node, identity), None)
        if index is None:
            merged.append(node)
        else:
            merged[index] = _over(merged[index], node)
    return replace(top, value=tuple(merged))


def _text(node: Node, key: str) -> str | None:
    child = node.child(key)
    return child.value if child is not None and isinstance(child.value, str) else None
