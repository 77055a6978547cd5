"""What a refund by usage comes to: the price of what was used less the price of what remains."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from quotasvc.domain import rate_card
from quotasvc.domain.catalog import Allowance, Resource
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.unit import Usage, usage_field


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """What goes back, in nanos and in the plan's units; `usage` is all that was refunded so far,
    this refund included."""

    nanos: int
    units: int
    usage: Usage


def refund_of(
    *,
    resource: Resource,
    rates: int,
    allowance: Allowance | None,
    actual: Usage,
    before: Usage,
    wanted: Usage,
    charged: int,
    by_usage: int,
) -> Refund:
    """The refund of `wanted` of the `actual` usage, of which `before` was refunded already and gave
    back `by_usage` of the `charged` nanos (SEM-29). A written-off part is not refunded: it is used
    up first (SEM-49).

    Raises InvalidArgument where more is wanted of a unit than is left.
    """
    left = _minus(resource, actual, before)
    remains = _minus(resource, left, wanted)
    price = rate_card.price(resource, rates, remains).nanos
    units = 0
    if allowance is not None:
        resource_id = resource.resource_id
        units = allowance.amount(resource_id, left, 0) - allowance.amount(resource_id, remains, 0)
    refunded = {
        unit: before.amounts.get(unit, 0) + wanted.amounts.get(unit, 0)
        for unit in resource.measures
        if unit in before.amounts or unit in wanted.amounts
    }
    return Refund(
        nanos=max(0, charged - by_usage - price),
        units=units,
        usage=Usage(MappingProxyType(refunded)),
    )


def _minus(resource: Resource, usage: Usage, less: Usage) -> Usage:
    """Each unit of `usage` less as many of `less`: there every absent unit is 0, requests too."""
    amounts = {}
    for unit in resource.measures:
        amount = less.amounts.get(unit, 0)
        if amount > usage.get(unit):
            text = f"{amount} are more than the {usage.get(unit)} that were used and not refunded"
            raise InvalidArgument(usage_field(unit), text)
        amounts[unit] = usage.get(unit) - amount
    return Usage(MappingProxyType(amounts))
