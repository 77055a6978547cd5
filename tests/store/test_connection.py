"""One connection: replies reach their own callers, and nothing is ever sent twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from quotasvc.domain.faults import Fault, Unavailable
from quotasvc.store.connection import Connection, Counts, ask
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor, Limits
from quotasvc.store.faults import ScriptUnknown, StoreOverloaded, StoreUnavailable
from quotasvc.store.resp import pack
from quotasvc.store.scripts import ScriptSet
from tests.support.embedded import connected, soon, until
from tests.support.fault_proxy import fault_proxy
from tests.support.scripts import COUNT, ECHO

# Replies reach their callers.


async def test_every_caller_gets_the_reply_to_its_own_call(
    store: Endpoint, scripts: ScriptSet
) -> None:
    async with connected(store, scripts) as executor:

        async def caller(first: int) -> list[object]:
            return [await executor.run(ECHO, (), (first + i,), soon()) for i in range(50)]

        # when 64 callers ask at once
        replies = await asyncio.gather(*(caller(1000 * c) for c in range(64)))
    # then each has its own numbers, in order
    assert replies == [[[1000 * c + i] for i in range(50)] for c in range(64)]


async def test_concurrent_calls_share_a_write(store: Endpoint) -> None:
    async with connected(store) as executor:
        before = await _reads(executor)
        # when a thousand calls are made in one turn of the loop
        await asyncio.gather(*(executor.call("PING", deadline=soon()) for _ in range(1000)))
        # then the server has read far less often than a thousand times
        assert await _reads(executor) - before < 20


async def _reads(executor: Executor) -> int:
    stats = await executor.call("INFO", "stats", deadline=soon())
    assert isinstance(stats, bytes)
    (line,) = (x for x in stats.splitlines() if x.startswith(b"total_reads_processed:"))
    return int(line.partition(b":")[2])


async def test_a_storm_of_cancels_crosses_no_replies(store: Endpoint, scripts: ScriptSet) -> None:
    chance = Random(20261121)
    async with connected(store, scripts) as executor:

        async def caller(n: int) -> None:
            assert await executor.run(ECHO, (), (n,), soon()) == [n]

        # when thousands of calls are cancelled: queued, just sent, or with their reply on its way
        cancelled = 0
        for start in range(0, 12_000, 400):
            calls = [asyncio.create_task(caller(start + i)) for i in range(400)]
            for unlucky in (chance.sample(calls, 70) for _ in range(4)):
                await asyncio.sleep(0)
                for call in unlucky:
                    call.cancel()
            done = await asyncio.gather(*calls, return_exceptions=True)
            cancelled += sum(isinstance(d, asyncio.CancelledError) for d in done)
            # then all others got their own reply
            assert [d for d in done if isinstance(d, AssertionError | Fault)] == []
        assert 2_000 < cancelled < 11_000
        # and the connection has lived through it
        assert executor.counts.nonce_mismatches == 0
        assert executor.counts.losses == 0


async def test_a_late_reply_reaches_nobody_else(store: Endpoint) -> None:
    async with connected(store) as executor:
        # given a call whose reply comes after its deadline
        late = executor.call("BLPOP", "nothing", "0.2", deadline=soon(0.05))
        with pytest.raises(StoreUnavailable) as caught:
            await late
        assert caught.value.sent
        # when another asks behind it
        # then it gets its own reply, on the same connection
        assert await executor.call("PING", deadline=soon()) == b"PONG"
        assert executor.counts.connects == 1


async def test_a_reply_with_another_calls_nonce_ends_the_connection(
    store: Endpoint, scripts: ScriptSet
) -> None:
    async with (
        fault_proxy(store) as (proxy, endpoint),
        connected(endpoint, scripts) as executor,
    ):
        # given a proxy that mixes up two replies of the same length
        def mix_up(replies: bytes) -> bytes:
            first, second = replies[: len(replies) // 2], replies[len(replies) // 2 :]
            return second + first

        proxy.on_reply = mix_up
        # when two ask
        calls = [executor.run(ECHO, (), (n,), soon()) for n in (1, 2)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        proxy.heal()
        # then neither gets the other's reply
        for answer in answers:
            assert isinstance(answer, StoreUnavailable)
            assert answer.sent
        assert executor.counts.nonce_mismatches == 1
        # and the next call finds a new connection
        assert await executor.run(ECHO, (), (3,), soon()) == [3]
        assert executor.counts.connects == 2


@pytest.mark.parametrize("reply", [b"+OK\r\n", b"*0\r\n", b"$-1\r\n", b":1\r\n"])
async def test_a_script_reply_without_a_nonce_is_not_believed(
    store: Endpoint, scripts: ScriptSet, reply: bytes
) -> None:
    async with (
        fault_proxy(store) as (proxy, endpoint),
        connected(endpoint, scripts) as executor,
    ):
        proxy.on_reply = lambda _: reply
        with pytest.raises(StoreUnavailable, match="nonce"):
            await executor.run(ECHO, (), (1,), soon())
        assert executor.counts.nonce_mismatches == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(b"HTTP/1.1 400\r\n\r\n", "protocol"), (b"+PONG\r\n+PONG\r\n", "nobody asked for")],
)
async def test_a_store_that_talks_nonsense_is_hung_up_on(
    store: Endpoint, caplog: pytest.LogCaptureFixture, reply: bytes, reason: str
) -> None:
    async with fault_proxy(store) as (proxy, endpoint), connected(endpoint) as executor:
        # when the store says something that fits no call
        proxy.say(reply)
        await until(lambda: executor.counts.losses == 1)
        # then the log tells why, and a new connection works
        assert reason in caplog.text
        assert await executor.call("PING", deadline=soon()) == b"PONG"


# Nothing is sent twice.


async def test_a_lost_reply_is_an_unknown_outcome_and_the_write_is_applied_once(
    store: Endpoint, scripts: ScriptSet
) -> None:
    async with (
        fault_proxy(store) as (proxy, endpoint),
        connected(endpoint, scripts, Limits(silence_ms_max=100)) as executor,
    ):
        # given a proxy that swallows replies
        proxy.swallow()
        # when a write goes out
        with pytest.raises(StoreUnavailable) as caught:
            await executor.run(COUNT, ("counter",), (), soon(0.05))
        assert caught.value.sent
        # and the silence makes the executor connect anew
        proxy.heal()
        await until(lambda: executor.counts.losses > 0 and executor.is_connected)
        # then it was applied, once
        assert await executor.call("GET", "counter", deadline=soon()) == b"1"


async def test_a_cut_connection_is_an_unknown_outcome(store: Endpoint, scripts: ScriptSet) -> None:
    async with (
        fault_proxy(store) as (proxy, endpoint),
        connected(endpoint, scripts) as executor,
    ):
        proxy.swallow()
        calls = [
            asyncio.create_task(executor.run(COUNT, ("counter",), (), soon())) for _ in range(10)
        ]
        async with connected(store) as witness:
            await _until_key(witness, "counter", b"10")
        # when the wire is cut before any reply
        proxy.cut()
        proxy.heal()
        # then all outcomes are unknown
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(answer, StoreUnavailable)
            assert answer.sent
        # and nothing was sent again
        assert await executor.call("GET", "counter", deadline=soon()) == b"10"


async def _until_key(witness: Executor, key: str, value: bytes) -> None:
    async with asyncio.timeout(5):
        while await witness.call("GET", key, deadline=soon()) != value:
            await asyncio.sleep(0.005)


async def test_a_script_that_the_server_forgot_is_loaded_and_runs_once(
    store: Endpoint, scripts: ScriptSet
) -> None:
    async with connected(store, scripts) as executor:
        # given a server that has dropped all scripts
        await executor.call("FUNCTION", "FLUSH", deadline=soon())
        await executor.call("CONFIG", "RESETSTAT", deadline=soon())
        # when many calls of one script arrive together
        calls = [executor.run(COUNT, ("counter",), (), soon()) for _ in range(20)]
        counts = [count for (count,) in await asyncio.gather(*calls)]
        # then each of them was applied once
        assert sorted(map(str, counts)) == sorted(map(str, range(1, 21)))
        assert executor.counts.scripts_reloaded == 20
        # and the library, which is large, was sent once for all of them
        stats = await executor.call("INFO", "commandstats", deadline=soon())
        assert isinstance(stats, bytes)
        assert b"cmdstat_function|load:calls=1," in stats


async def test_a_server_that_forgets_again_is_given_the_scripts_again(
    store: Endpoint, scripts: ScriptSet
) -> None:
    async with connected(store, scripts) as executor:
        for count in (1, 2):
            # given a server that has dropped all scripts, once more
            await executor.call("FUNCTION", "FLUSH", deadline=soon())
            # then a call loads them and runs
            assert await executor.run(COUNT, ("counter",), (), soon()) == [count]
            assert executor.counts.scripts_reloaded == count


async def test_a_script_is_not_run_for_a_caller_that_has_gone(
    store: Endpoint, scripts: ScriptSet
) -> None:
    async with connected(store, scripts) as executor:
        await executor.call("FUNCTION", "FLUSH", deadline=soon())
        # given a call that has left
        call = asyncio.create_task(executor.run(COUNT, ("counter",), (), soon()))
        await asyncio.sleep(0)
        # when its caller goes before the server says that it does not know the script
        call.cancel()
        # then the script is not sent for it
        assert await executor.call("GET", "counter", deadline=soon()) is None
        assert executor.counts.scripts_reloaded == 0


async def test_a_script_that_cannot_be_loaded_is_not_tried_for_ever(
    store: Endpoint, scripts: ScriptSet
) -> None:
    # given a user that may run scripts but, by now, not load them
    login = replace(store, username="runner", password="secret")
    rights = ("on", ">secret", "~*", "+@all")
    await ask(store, ("ACL", "SETUSER", "runner", *rights), within_s=5)
    async with connected(login, scripts) as executor:
        await ask(
            store,
            ("ACL", "SETUSER", "runner", "-function|load"),
            ("FUNCTION", "FLUSH"),
            within_s=5,
        )
        # when the script is gone
        with pytest.raises(ScriptUnknown) as caught:
            await executor.run(ECHO, (), (1,), soon())
        # then it says that nothing ran
        assert not caught.value.sent
    await ask(store, ("ACL", "DELUSER", "runner"), within_s=5)


async def test_a_call_whose_time_has_passed_is_not_sent(store: Endpoint) -> None:
    async with connected(store) as executor:
        with pytest.raises(StoreUnavailable) as caught:
            await executor.call("INCR", "counter", deadline=soon(0))
        assert not caught.value.sent
        assert await executor.call("EXISTS", "counter", deadline=soon()) == 0


async def test_a_call_on_a_connection_that_ends_in_the_same_turn_does_not_leave(
    store: Endpoint,
) -> None:
    connection = Connection(Limits(), Counts(), on_lost=lambda reason: None)
    await connection.open(store)
    # when a call is queued, and the connection ends before it could leave
    answer = connection.send(pack(("INCR", "counter")), soon())
    connection.drop("ended")
    with pytest.raises(StoreUnavailable, match="ended"):
        await answer
    # then it was not sent, nor is any other
    with pytest.raises(StoreUnavailable) as caught:
        connection.send(pack(("INCR", "counter")), soon())
    assert not caught.value.sent
    async with connected(store) as executor:
        assert await executor.call("EXISTS", "counter", deadline=soon()) == 0


# Bounds.


async def test_calls_under_way_are_bounded(store: Endpoint) -> None:
    async with (
        fault_proxy(store) as (proxy, endpoint),
        connected(endpoint, limits=Limits(calls_max=3)) as executor,
    ):
        # given as many calls under way as there may be
        proxy.swallow()
        calls = [asyncio.create_task(executor.call("PING", deadline=soon())) for _ in range(3)]
        await asyncio.sleep(0)
        # when one more comes
        with pytest.raises(StoreOverloaded):
            await executor.call("PING", deadline=soon())
        proxy.cut()
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(answer, Unavailable)
        # and as many again while there is no connection
        with pytest.raises(StoreOverloaded):
            await asyncio.gather(*(executor.call("PING", deadline=soon()) for _ in range(4)))
