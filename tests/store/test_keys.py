"""Key names: hash tags that lie evenly, and counters named by what they count (SEM-18, 05)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from quotasvc.domain.catalog import AlignedPeriod, WindowKind
from quotasvc.store import keys
from tests.support.catalogs import FIVE_HOURS, WEEK, allowance

GENERAL = allowance("general", "cost", ("text/a",), FIVE_HOURS)
ACME = keys.team_keys("acme")


@pytest.mark.parametrize(("tag", "slot"), [("", 0), ("123456789", 0x31C3), ("foo", 12_182)])
def test_a_slot_is_the_clusters_own(tag: str, slot: int) -> None:
    # published figures of CRC16/XMODEM and of CLUSTER KEYSLOT
    assert keys.slot(tag) == slot


def test_every_partition_has_a_tag_in_its_own_64_slots() -> None:
    tags = [keys.partition_tag(number) for number in range(keys.PARTITIONS)]
    assert len(set(tags)) == keys.PARTITIONS
    for number, tag in enumerate(tags):
        assert keys.slot(tag) // 64 == number
        assert tag.startswith(f"p{number:03d}")


def test_tags_never_change() -> None:
    # a tag can never be renamed: these are in stores by now
    assert [keys.partition_tag(number) for number in (0, 17, 128, 255)] == [
        "p000bn",
        "p017of",
        "p128ge",
        "p255gv",
    ]
    assert keys.partition("acme") == 237


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_partitions_spread_evenly_over_shards(shards: int) -> None:
    per_shard = Counter(keys.slot(keys.partition_tag(n)) * shards // 16_384 for n in range(256))
    assert set(per_shard.values()) == {256 // shards}


def test_teams_spread_over_all_partitions() -> None:
    found = Counter(keys.partition(f"team-{number}") for number in range(10_000))
    assert len(found) == keys.PARTITIONS
    assert max(found.values()) < 80


def test_all_keys_of_a_team_share_one_tag() -> None:
    tag = "{" + keys.partition_tag(keys.partition("acme")) + "}"
    names = [
        *(ACME.team, ACME.holds, ACME.purge, ACME.due, ACME.ledger, ACME.record("digest")),
        ACME.window("s1", GENERAL, FIVE_HOURS),
        *(getattr(pool, field) for pool in (ACME.credits, ACME.wallet) for field in POOL_FIELDS),
    ]
    assert all(name.startswith(f"q1:{tag}:") for name in names)
    assert len(set(names)) == len(names)


POOL_FIELDS = ("order", "available", "held", "consumed", "expired", "revoked", "info", "all")


def test_teams_share_only_what_is_the_partitions() -> None:
    beta = keys.team_keys("beta")
    for name in ("team", "holds", "purge"):
        assert getattr(ACME, name) != getattr(beta, name)
    assert ACME.credits.order != ACME.wallet.order


# Counters (SEM-18).


def test_a_counter_is_named_by_seat_allowance_unit_kind_length_and_anchor() -> None:
    # given a window, and others that differ in one part of the name
    names = {
        ACME.window("s1", GENERAL, FIVE_HOURS),
        ACME.window("s2", GENERAL, FIVE_HOURS),
        ACME.window("s1", replace(GENERAL, allowance_id="other"), FIVE_HOURS),
        ACME.window("s1", replace(GENERAL, unit="requests"), FIVE_HOURS),
        ACME.window("s1", GENERAL, replace(FIVE_HOURS, length_ms=2 * FIVE_HOURS.length_ms)),
        ACME.window("s1", GENERAL, replace(FIVE_HOURS, slices=60)),
        ACME.window("s1", GENERAL, WEEK),
        ACME.window("s1", GENERAL, replace(WEEK, zone="Asia/Shanghai")),
        ACME.window("s1", GENERAL, replace(WEEK, week_start=6)),
        ACME.window("s1", GENERAL, replace(WEEK, period=AlignedPeriod.DAY)),
        ACME.window("s1", GENERAL, replace(WEEK, period=AlignedPeriod.BLOCK)),
    }
    assert len(names) == 11
    assert WEEK.kind is WindowKind.ALIGNED


def test_a_counter_keeps_its_name_when_limit_or_label_change() -> None:
    # SEM-17: limits are never stored in the counters
    renamed = replace(FIVE_HOURS, window_id="other", limit=1, purchased_from_ms=5)
    assert ACME.window("s1", GENERAL, renamed) == ACME.window("s1", GENERAL, FIVE_HOURS)


def test_system_keys_are_in_a_slot_of_their_own() -> None:
    assert keys.SCHEMA_MARKER == "q1:{sys}:schema"
    assert keys.CATALOG_IN_FORCE == "q1:{sys}:catalog"
    assert keys.catalog("abcdefgh") == "q1:{sys}:catalog:abcdefgh"
