"""What callers present is shown by no log and no traceback (A17)."""

from __future__ import annotations

import dataclasses

import pytest

from quotasvc.domain.unit import Usage
from quotasvc.planes import ask, identity, usage
from quotasvc.planes.ask import Ask, Report
from quotasvc.planes.identity import Claim
from quotasvc.planes.usage import Subject
from tests.support.quota import Quota

KEY = Quota.api_key()
CLAIM = Claim.of(KEY.text, None)
PRESENTED = (
    CLAIM,
    Subject(api_key=KEY.text),
    Ask(
        request_id="r1",
        api_key=KEY.text,
        key_id=None,
        resource="text/a",
        usage=Usage.of(),
        attributes=(),
        hold_ms=None,
        check_only=False,
    ),
    Report(
        request_id="u1",
        api_key=KEY.text,
        key_id=None,
        resource="text/a",
        usage=Usage.of(),
        attributes=(),
        reservation_id=None,
        outcome=1,
    ),
)


@pytest.mark.parametrize("value", PRESENTED, ids=lambda value: type(value).__name__)
def test_a_presented_key_shows_in_no_representation(value: object) -> None:
    """A17."""
    for shown in (repr(value), str(value), f"{value}", repr((value,))):
        assert KEY.secret not in shown
        assert type(value).__name__ in shown


def test_whatever_carries_a_secret_is_tried_here() -> None:
    # given each value of the planes with a field for a key's text or its secret
    found = {
        kind
        for module in (ask, identity, usage)
        for kind in vars(module).values()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
        if {"api_key", "secret"} & {one.name for one in dataclasses.fields(kind)}
        if kind.__module__ == module.__name__
    }
    assert found == {type(value) for value in PRESENTED}
