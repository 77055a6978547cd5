"""From a file to a catalog, or to every reason why not.

Text -> tree with positions -> `like` carried out -> models -> checks -> domain values. Knows the
order of these steps; each step knows only itself.
"""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from quotasvc.catalog.build import build
from quotasvc.catalog.checks import check
from quotasvc.catalog.inherit import inherit
from quotasvc.catalog.problem import CatalogFault, Finding, Problem
from quotasvc.catalog.shape import shaped
from quotasvc.catalog.tree import compose
from quotasvc.domain.catalog import Catalog

DEFAULT_CATALOG = pathlib.Path(__file__).with_name("default.yaml")
"""The catalog that the service runs with unless told another."""


def load_catalog(path: pathlib.Path) -> Catalog:
    """Reads the catalog at `path`. Raises CatalogFault with all problems, OSError if unreadable."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        problem = Problem(
            file=str(path),
            line=1,
            column=1,
            path="",
            wrong=f"is not UTF-8 at byte {error.start}",
            right="save it as UTF-8",
        )
        raise CatalogFault([problem]) from error
    return parse_catalog(text, source=str(path))


def parse_catalog(text: str, *, source: str) -> Catalog:
    """The catalog that `text` describes; `source` names it in problems."""
    document = inherit(compose(text, source))
    file = shaped(document)
    document.refuse(check(file))
    return build(file, text)


def predecessor(old: Catalog, new: Catalog, *, source: str = "catalog") -> tuple[Problem, ...]:
    """What forbids `new` to follow `old`: ids that are gone, another money (SEM-1, SEM-18).

    Ids may change their order: reservation ids resolve indexes in the version that they pin.
    """
    document = inherit(compose(new.text, source))
    return tuple(document.problem(finding) for finding in _lost(old, new))


def _lost(old: Catalog, new: Catalog) -> Iterator[Finding]:
    if old.currency != new.currency:
        wrong = f"the currency was {old.currency}, and amounts are stored in it"
        yield Finding(("currency",), wrong, f"write `{old.currency}`; another needs a new store")
    was = old.credits.per_currency_unit
    if was != new.credits.per_currency_unit:
        wrong = f"{was} credits were one currency unit, and lots are stored so"
        yield Finding(("credits", "per_currency_unit"), wrong, f"write `{was}`")
    for resource, renamed in _gone(old.resources, new.resources):
        wrong = f"the resource `{resource}` of catalog {old.version} is gone"
        cure = f"keep it, outside `coverage` to retire it{renamed}"
        yield Finding(("resources",), wrong, cure)
    for plan_id, renamed in _gone(old.plans, new.plans):
        wrong = f"the plan `{plan_id}` of catalog {old.version} is gone"
        yield Finding(("plans",), wrong, f"keep it, `sellable: false` retires it{renamed}")
    for index, (plan_id, plan) in enumerate(new.plans.items()):
        if plan_id in old.plans:
            had = [allowance.allowance_id for allowance in old.plans[plan_id].allowances]
            has = [allowance.allowance_id for allowance in plan.allowances]
            for allowance_id, renamed in _gone(had, has):
                wrong = f"the allowance `{allowance_id}` of {plan_id} is gone"
                yield Finding(("plans", index, "allowances"), wrong, f"keep it{renamed}")


def _gone(old: Collection[str], new: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each id that is no longer there, and the new one that it may have become."""
    added = [one for one in new if one not in old]
    for one in old:
        if one not in new:
            nearest = get_close_matches(one, added, n=1)
            yield one, f"; was it renamed to `{nearest[0]}`?" if nearest else ""
