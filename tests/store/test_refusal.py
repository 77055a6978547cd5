"""Refusals that no script decides: of keys, resources, coverage and mistakes in the request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quotasvc.domain.api_key import make_api_key
from quotasvc.domain.outcome import DenialReason, Denied
from quotasvc.domain.reservation import ReservationId
from quotasvc.domain.team import KeyKind, KeyState
from tests.support.quota import OWNER_KEY, SECRETS, TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

FORGED = make_api_key(KeyKind.SUBSCRIPTION, OWNER_KEY, b"another-entropy-of-32-bytes-long")
WRONG_SECRET = {"key_id": None, "api_key": FORGED.text}


async def reported(quota: Quota, **changes: Any) -> Denied:
    """A report that is denied, after which nothing has moved (SEM-6)."""
    before = await quota.dump()
    answer = await quota.decisions.record_usage(quota.report(5, **changes), quota.deadline)
    assert isinstance(answer, Denied)
    assert await quota.dump() == before
    return answer


# With the team's counter.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (WRONG_SECRET, DenialReason.KEY_INVALID),
        ({"key_id": f"{TEAM}_k9"}, DenialReason.KEY_INVALID),
        ({"resource": "nothing"}, DenialReason.UNKNOWN_RESOURCE),
        ({"resource": "voice/clone"}, DenialReason.NOT_COVERED),
    ],
)
async def test_an_early_denial_names_the_teams_seq(
    quota: Quota, changes: dict[str, Any], reason: DenialReason
) -> None:
    """SEM-39: `seq` is in every reply."""
    # given a team in which something has moved
    await quota.team()
    seq = (await quota.reserve(1)).seq
    # when it is denied without a look at any balance
    for denied in (await quota.denied(1, **changes), await reported(quota, **changes)):
        # then its counter is shown
        assert (denied.denial.reason, denied.seq) == (reason, seq)


@pytest.mark.parametrize("key_id", [None, "", "nobody_k1"])
async def test_a_denial_has_no_seq_where_there_is_no_team(quota: Quota, key_id: str | None) -> None:
    """SEM-39."""
    await quota.team()
    denied = await quota.denied(1, key_id=key_id)
    assert (denied.denial.reason, denied.seq) == (DenialReason.KEY_INVALID, 0)


# In the order of the checks.


@pytest.mark.parametrize("state", [KeyState.ACTIVE, KeyState.DELETED])
async def test_who_has_no_key_learns_nothing_about_ids(quota: Quota, state: KeyState) -> None:
    """SEM-44: the secret is verified before the old reservation is looked at."""
    # given a reservation of the team, one of another, and one that somebody made up
    await quota.team(state=KeyState.ACTIVE)
    genuine = (await quota.reserve(1)).reservation_id
    foreign = _of_another_team(genuine)
    await quota.team(state=state)
    # when a report with a wrong secret names them, or a key that does not exist
    for changes in (WRONG_SECRET, {"key_id": f"{TEAM}_k9"}, {"key_id": "nobody"}):
        answers = {
            (await reported(quota, reservation_id=old, **changes)).denial
            for old in (genuine, foreign, genuine[:-1] + "?", "made-up")
        }
        # then all of them are answered alike
        assert [denial.reason for denial in answers] == [DenialReason.KEY_INVALID]


def _of_another_team(reservation_id: str) -> str:
    rid = ReservationId.verify(reservation_id, SECRETS.mac_key)
    assert rid is not None
    return replace(rid, team_id="other").sign(SECRETS.mac_key)
