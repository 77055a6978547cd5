"""The demo is put into a store once, and then left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.demo import GLOBEX, KEYS, DemoFault, create_demo
from quotasvc.domain.api_key import is_secret, parse_api_key
from quotasvc.store import keys
from tests.support.clock import DAY, Clock
from tests.support.quota import SECRETS, Quota

CATALOG = load_catalog(DEFAULT_CATALOG)


async def _create(quota: Quota, clock: Clock) -> None:
    await create_demo(quota.control, CATALOG, SECRETS, now_ms=clock(), deadline=quota.deadline)


async def test_it_is_made_once(quota: Quota, clock: Clock) -> None:
    await _create(quota, clock)
    before = await quota.dump()
    # when it is asked for again, later
    clock.advance(DAY)
    await _create(quota, clock)
    # then not a byte has moved
    assert await quota.dump() == before


async def test_what_a_start_that_was_cut_off_left_out_is_made_up_for(
    quota: Quota, clock: Clock
) -> None:
    # given a store where all but one lot was made
    await _create(quota, clock)
    whole = await quota.dump()
    pool = keys.team_keys(GLOBEX).credits
    for key in (pool.order, pool.available, pool.info):
        await quota.executor.call("DEL", key, deadline=quota.deadline)
    # when the demo is asked for again
    clock.advance(DAY)
    await _create(quota, clock)
    # then it is whole
    assert (await quota.dump()).keys() == whole.keys()


async def test_the_stored_hashes_are_those_of_the_printed_keys(quota: Quota, clock: Clock) -> None:
    await _create(quota, clock)
    for key in KEYS:
        found = await quota.teams.load(key.team_id, quota.deadline)
        stored = found.team.key(key.key_id) if found else None
        parsed = parse_api_key(key.api_key(SECRETS).text)
        assert stored is not None
        assert parsed is not None
        assert is_secret(parsed.secret, stored.secret_hash, SECRETS)


async def test_a_catalog_without_its_plans_is_refused(quota: Quota, clock: Clock) -> None:
    plans = {name: plan for name, plan in CATALOG.plans.items() if name != "plus"}
    with pytest.raises(DemoFault, match="plus"):
        await create_demo(
            quota.control,
            replace(CATALOG, plans=plans),
            SECRETS,
            now_ms=clock(),
            deadline=quota.deadline,
        )
    assert await quota.dump() == {}


def test_every_name_of_a_key_is_its_own() -> None:
    assert len({key.key_id for key in KEYS}) == len({key.variable for key in KEYS}) == len(KEYS)
