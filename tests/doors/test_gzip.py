"""Compressed messages are read within a bound; other compressions are refused."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from quotasvc.api.faults import MessageTooLarge, UnknownMethod
from quotasvc.doors.faults import Malformed
from quotasvc.doors.gzip import inflate, is_gzip

WHOLE = gzip.compress(b"x" * 100)


@pytest.mark.parametrize(
    ("encoding", "compressed"), [(b"", False), (b"identity", False), (b"gzip", True)]
)
def test_gzip_and_nothing_are_read(*, encoding: bytes, compressed: bool) -> None:
    assert is_gzip(encoding) is compressed


@pytest.mark.parametrize("encoding", [b"br", b"deflate", b"GZIP", b"gzip, identity"])
def test_any_other_compression_is_not(encoding: bytes) -> None:
    with pytest.raises(UnknownMethod, match="use gzip or identity"):
        is_gzip(encoding)


def test_a_message_of_exactly_the_bound_is_inflated() -> None:
    assert inflate(WHOLE, 100) == b"x" * 100
    with pytest.raises(MessageTooLarge):
        inflate(WHOLE, 99)


def test_a_bomb_takes_no_more_memory_than_the_bound() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(MessageTooLarge):
        inflate(bomb, 10_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip at all", WHOLE[:-1], WHOLE[:10], WHOLE + b"x", WHOLE + WHOLE],
    ids=["nothing", "other", "cut off", "head only", "more", "two members"],
)
def test_anything_but_one_whole_member_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        inflate(body, 1_000)
