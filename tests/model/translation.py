"""The service's policy and team documents as the oracle's own values: plain copies, no rules."""

from __future__ import annotations

from quotasvc.domain import catalog as real
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.team import KeyState, Role, Team
from tests.model import policy as oracle
from tests.model.world import LOTS_MAX, UNPAID_LOTS_MAX


def to_oracle(made: Catalog) -> oracle.Policy:
    """The same policy as the oracle's values: a plain copy, enums as their texts."""
    return oracle.Policy(
        version=made.version,
        currency=made.currency,
        resources={name: _resource(r) for name, r in made.resources.items()},
        plans={name: _plan(p) for name, p in made.plans.items()},
        rate_limits=tuple(_rate(row) for row in made.rate_limits),
        peak=oracle.Peak(
            weekdays=made.peak.weekdays,
            from_minute=made.peak.from_minute,
            until_minute=made.peak.until_minute,
            zone=made.peak.zone,
            mode=made.peak.mode.value,
        ),
        renewal_grace_ms=made.team_rules.renewal_grace_ms,
        validity_ms=made.credits.validity_ms,
        lots_max=LOTS_MAX,
        gifts_max=UNPAID_LOTS_MAX,
    )


def _resource(made: real.Resource) -> oracle.Resource:
    return oracle.Resource(
        resource_id=made.resource_id,
        measures=made.measures,
        rows=tuple(
            oracle.PriceRow(
                per=row.per,
                nanos=dict(row.nanos),
                attributes=row.attributes,
                prompt_tokens_min=row.prompt_tokens_min,
                prompt_tokens_max=row.prompt_tokens_max,
                from_ms=row.from_ms,
                until_ms=row.until_ms,
                multiplier=row.multiplier,
            )
            for row in made.rows
        ),
        estimate_default=dict(made.estimate_default),
        estimate_min=dict(made.estimate_min),
        covered=made.covered,
    )


def _plan(made: real.Plan) -> oracle.Plan:
    return oracle.Plan(
        plan_id=made.plan_id,
        price_nanos=made.price_nanos,
        sellable=made.sellable,
        overflow=made.overflow.value,
        allowances=tuple(_allowance(one) for one in made.allowances),
        peak_concurrency=made.peak_concurrency,
        on_expiry=made.on_expiry.value,
    )


def _allowance(made: real.Allowance) -> oracle.Allowance:
    return oracle.Allowance(
        allowance_id=made.allowance_id,
        unit=made.unit,
        resources=made.resources,
        windows=tuple(
            oracle.Window(
                window_id=w.window_id,
                kind=w.kind.value,
                length_ms=w.length_ms,
                limit=w.limit,
                slices=w.slices,
                period=w.period.value if w.period else None,
                zone=w.zone,
                week_start=w.week_start,
                purchased_from_ms=w.purchased_from_ms,
            )
            for w in made.windows
        ),
        straddle=made.straddle.value,
        split_min=made.split_min,
        weights=dict(made.weights),
    )


def _rate(made: real.RateLimit) -> oracle.RateRow:
    return oracle.RateRow(
        rate_limit_id=made.rate_limit_id,
        resources=made.resources,
        rpm=made.rpm,
        tpm=made.tpm,
        connections=made.connections,
        peak_permille=made.peak_permille,
    )


def to_oracle_team(team: Team) -> oracle.Team:
    """The same document."""
    roles = {Role.OWNER: "owner", Role.ADMIN: "admin", Role.READER: "reader"}
    states = {
        KeyState.ACTIVE: "active",
        KeyState.DISABLED: "disabled",
        KeyState.DELETED: "deleted",
    }
    return oracle.Team(
        team_id=team.team_id,
        members=tuple(
            oracle.Member(
                user_id=m.user_id,
                role=roles[m.role],
                credits_access=m.credits_access,
                removed_ms=m.removed_ms,
            )
            for m in team.members
        ),
        seats=tuple(
            oracle.Seat(
                seat_id=s.seat_id,
                plan_id=s.plan_id,
                purchased_ms=s.purchased_ms,
                user_id=s.user_id,
                cycle_start_ms=s.cycle_start_ms,
                paid_until_ms=s.paid_until_ms,
                renews=s.renews,
            )
            for s in team.seats
        ),
        keys=tuple(
            oracle.Key(
                key_id=k.key_id,
                user_id=k.user_id,
                kind=k.kind.value,
                state=states[k.state],
                ended_ms=k.ended_ms,
            )
            for k in team.keys
        ),
    )
