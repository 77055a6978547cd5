"""A store knows the secrets that it was begun with."""

from __future__ import annotations

from quotasvc.store import keys
from quotasvc.store.executor import Executor
from quotasvc.store.seal import is_sealed_by, read_store_id, seal
from tests.support.embedded import soon


async def test_a_store_that_was_not_begun_has_no_id(executor: Executor) -> None:
    assert await read_store_id(executor, soon()) is None
    await executor.call("HSET", keys.SCHEMA_MARKER, "store_id", "s1", deadline=soon())
    assert await read_store_id(executor, soon()) == "s1"


async def test_the_first_secrets_that_it_is_shown_are_its_own(executor: Executor) -> None:
    # given a store that nobody has shown secrets to: any may become its own
    assert await is_sealed_by(executor, "ours", soon())
    # when two services that start together show theirs
    shown = [await seal(executor, "ours", soon()), await seal(executor, "theirs", soon())]
    # then one of them is refused, now and later
    assert shown == [True, False]
    assert await seal(executor, "ours", soon())
    assert not await is_sealed_by(executor, "theirs", soon())
