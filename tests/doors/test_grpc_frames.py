"""Messages are cut out of whatever pieces arrive, within their bound."""

from __future__ import annotations

import gzip

import pytest

from quotasvc.api.faults import MessageTooLarge
from quotasvc.doors.faults import Malformed
from quotasvc.doors.grpc_frames import Frames, frame, only_message

BYTES_MAX = 10


def frames(*pieces: bytes, is_gzip: bool = False) -> Frames:
    made = Frames(BYTES_MAX)
    made.is_gzip = is_gzip
    for piece in pieces:
        made.feed(piece)
    return made


def compressed(message: bytes) -> bytes:
    body = gzip.compress(message)
    return b"\1" + len(body).to_bytes(4, "big") + body


def test_a_frame_is_a_flag_a_length_and_the_message() -> None:
    assert frame(b"abc") == b"\0\0\0\0\3abc"


def test_messages_are_found_in_pieces_of_any_size() -> None:
    wire = frame(b"first") + frame(b"") + frame(b"x" * BYTES_MAX)
    for size in range(1, len(wire) + 1):
        made = frames()
        found = []
        for at in range(0, len(wire), size):
            made.feed(wire[at : at + size])
            while (message := made.next()) is not None:
                found.append(message)
        made.finish()
        assert found == [b"first", b"", b"x" * BYTES_MAX]


def test_a_message_that_will_be_too_large_is_refused_by_its_length() -> None:
    with pytest.raises(MessageTooLarge, match="11 bytes; at most 10"):
        frames(b"\0\0\0\0\x0b").next()


def test_a_compressed_message_is_inflated_within_the_bound() -> None:
    made = Frames(100)
    made.is_gzip = True
    made.feed(compressed(b"abc"))
    assert made.next() == b"abc"
    made.feed(compressed(b"x" * 101))
    with pytest.raises(MessageTooLarge):
        made.next()


@pytest.mark.parametrize(
    ("flag", "is_gzip"), [(1, False), (2, True), (2, False)], ids=["no header", "flag 2", "both"]
)
def test_a_flag_that_cannot_be_read_is_malformed(*, flag: int, is_gzip: bool) -> None:
    made = frames(bytes((flag,)) + b"\0\0\0\1x", is_gzip=is_gzip)
    with pytest.raises(Malformed, match="compressed"):
        made.next()


@pytest.mark.parametrize("wire", [b"\0", b"\0\0\0\0", b"\0\0\0\0\2x"])
def test_a_message_that_is_cut_off_is_malformed(wire: bytes) -> None:
    made = frames(wire)
    assert made.next() is None
    with pytest.raises(Malformed, match="cut off"):
        made.finish()


def test_what_is_read_ahead_is_bounded() -> None:
    assert not frames(b"\0" * (4 + BYTES_MAX)).is_full
    assert frames(b"\0" * (5 + BYTES_MAX)).is_full


def test_the_only_message_of_a_body_is_found_at_once() -> None:
    assert only_message(frame(b"abc"), BYTES_MAX) == b"abc"
    assert only_message(frame(b""), BYTES_MAX) == b""


@pytest.mark.parametrize(
    "body",
    [b"", b"\0", b"\0\0\0\0\2x", frame(b"a") * 2, compressed(b"a"), frame(b"x" * 11)],
    ids=["nothing", "flag", "cut off", "two", "compressed", "too large"],
)
def test_any_other_body_is_looked_at_in_full(body: bytes) -> None:
    assert only_message(body, BYTES_MAX) is None
