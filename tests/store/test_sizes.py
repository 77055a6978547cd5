"""How much memory the store needs, with the default catalog and ids as long as the demo's."""

from __future__ import annotations

from random import Random

import pytest

from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.demo import ACME, KEYS, create_demo
from quotasvc.domain.catalog import Plan, Window
from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import Payer
from quotasvc.domain.unit import COST, Usage
from quotasvc.store import keys
from quotasvc.store.executor import Executor
from quotasvc.store.field import Field
from quotasvc.store.table import RING
from tests.support.clock import Clock
from tests.support.quota import SECRETS, Quota

CATALOG = load_catalog(DEFAULT_CATALOG)
PLUS, LEGACY = CATALOG.plans["plus"], CATALOG.plans["starter-legacy"]
NAMES = keys.team_keys(ACME)
ADA, BOB = KEYS[0], KEYS[1]
TEXT = "text/m2.7"
NANOS_PER_TOKEN = 1_200  # of output

WINDOW_BYTES_MAX = 1_100
RECORD_BYTES_MAX = 400


@pytest.fixture
async def demo(executor: Executor, clock: Clock) -> Quota:
    """The demo's teams under the default catalog."""
    quota = Quota(executor, clock, CATALOG)
    await create_demo(quota.control, CATALOG, SECRETS, now_ms=clock(), deadline=quota.deadline)
    return quota


def window_key(plan: Plan, resource: str, seat_id: str | None) -> str:
    """The five-hour window of a plan for a resource."""
    allowance = plan.allowance_for(resource)
    assert allowance is not None
    assert seat_id is not None
    return NAMES.window(seat_id, allowance, allowance.windows[0])


def slices_of(window: Window) -> int:
    """How many slices of it can have something in them at a time: one more than it is long."""
    return window.length_ms // window.slice_ms + 1


async def bytes_of(quota: Quota, key: str) -> int:
    """What the server says that the key takes, which has to be compact (one block of memory).

    Of copies the least: an allocator now and then gives a block a little more than it asks for.
    """
    words = ("OBJECT", "ENCODING", key)
    assert await quota.executor.call(*words, deadline=quota.deadline) == b"listpack"
    sizes = []
    for number in range(10):
        copy = key[:-1] + str(number)
        await quota.executor.call("COPY", key, copy, deadline=quota.deadline)
        words = ("MEMORY", "USAGE", copy)
        found = await quota.executor.call(*words, "SAMPLES", 0, deadline=quota.deadline)
        assert isinstance(found, int)
        sizes.append(found)
    return min(sizes)


async def fill(quota: Quota, clock: Clock, key_id: str, tokens: list[int], slice_ms: int) -> None:
    """So many tokens in each slice, one after the other."""
    for number in tokens:
        usage = Usage.of(output_tokens=number)
        await quota.settle(await quota.reserve(key_id=key_id, resource=TEXT, usage=usage), None)
        clock.advance(slice_ms)


@pytest.mark.parametrize("spread", ["even", "uneven"])
async def test_a_full_window_of_money_takes_at_most_1100_bytes(
    demo: Quota, clock: Clock, spread: str
) -> None:
    # given the five-hour window of plan plus, whose limit is used up over all of its slices
    key = window_key(PLUS, TEXT, ADA.seat_id)
    window = PLUS.allowances[0].windows[0]
    limit = 2_830_000_000
    assert (PLUS.allowances[0].unit, window.limit) == (COST, limit)
    chance, slices = Random(5), slices_of(window)
    shares = [1.0 if spread == "even" else chance.random() for _ in range(slices)]
    most = limit // NANOS_PER_TOKEN - 2 * slices
    tokens = [1 + int(most * share / sum(shares)) for share in shares]
    await fill(demo, clock, ADA.key_id, tokens, window.slice_ms)
    # then it is one small compact hash, though as full as can be (SEM-14)
    fields = await demo.executor.call("HLEN", key, deadline=demo.deadline)
    assert fields == slices + 3
    assert slices <= RING
    size = await bytes_of(demo, key)
    assert size <= WINDOW_BYTES_MAX


async def test_a_full_window_of_requests_takes_at_most_1100_bytes(
    demo: Quota, clock: Clock
) -> None:
    # given the five-hour window of the old plan, whose requests are used up over all slices
    key = window_key(LEGACY, TEXT, BOB.seat_id)
    window = LEGACY.allowances[0].windows[0]
    assert (LEGACY.allowances[0].unit, window.limit) == ("requests", 1_500)
    slices = slices_of(window)
    for number in range(slices):
        usage = Usage.of(requests=13 if number < 48 else 12, output_tokens=1)
        reservation = await demo.reserve(key_id=BOB.key_id, resource=TEXT, usage=usage)
        await demo.settle(reservation, None)
        clock.advance(window.slice_ms)
    # then it is as small
    assert await demo.executor.call("HLEN", key, deadline=demo.deadline) == slices + 3
    size = await bytes_of(demo, key)
    assert size <= WINDOW_BYTES_MAX


async def two_legs(quota: Quota) -> Allowed:
    """A reservation that the plan and a lot share."""
    usage = Usage.of(output_tokens=1_700_000)
    await quota.reserve(key_id=ADA.key_id, resource=TEXT, usage=usage)
    usage = Usage.of(input_tokens=12_345, output_tokens=1_000_000)
    answer = await quota.reserve(
        request_id="0d9e3c52-6a1f-4c4e-9d0b-2f6f1f5b7c11",
        key_id=ADA.key_id,
        resource=TEXT,
        usage=usage,
    )
    assert [leg.payer for leg in answer.legs] == [Payer.PLAN, Payer.CREDITS]
    return answer


async def fields_of(quota: Quota, key: str) -> dict[str, int]:
    """The bytes of each field's name and value, biggest first: for saying where they are."""
    flat = await quota.executor.call("HGETALL", key, deadline=quota.deadline)
    assert isinstance(flat, list)
    words = [word.decode() for word in flat if isinstance(word, bytes)]
    sizes = {
        f"{Field(name.rstrip('0123456789')).name} {value}": len(name) + len(value)
        for name, value in zip(words[::2], words[1::2], strict=True)
    }
    return dict(sorted(sizes.items(), key=lambda size: -size[1]))


@pytest.mark.parametrize(
    "usage",
    [
        None,
        Usage.of(input_tokens=11_987, output_tokens=812_345),
        Usage.of(
            input_tokens=11_987,
            output_tokens=812_345,
            cache_read_tokens=98_765,
            cache_write_tokens=4_321,
        ),
    ],
    ids=["as reserved", "less", "all units"],
)
async def test_a_settled_reservation_of_two_legs_takes_at_most_400_bytes(
    demo: Quota, usage: Usage | None
) -> None:
    # given a reservation over plan and lot
    reservation = await two_legs(demo)
    # when it is committed
    committed = await demo.settle(reservation, usage)
    assert [leg.payer for leg in committed.legs] == [Payer.PLAN, Payer.CREDITS]
    # then its record is one small compact hash
    rid_digest = reservation.reservation_id.split(".")[-2]
    key = NAMES.record(rid_digest)
    assert await bytes_of(demo, key) <= RECORD_BYTES_MAX, await fields_of(demo, key)
