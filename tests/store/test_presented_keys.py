"""Keys as presented: secrets, states, and changes made elsewhere a moment ago (A, SEM-45)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quotasvc.domain.api_key import make_api_key, secret_hash
from quotasvc.domain.outcome import Allowed, DenialReason, Denied
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import KeyKind, KeyState, Role
from tests.support.people import key, member, team
from tests.support.quota import OWNER_KEY, SECRETS, Quota

pytestmark = pytest.mark.usefixtures("conserved")

ANN_KEY, BOB_KEY = "acme_k1", "acme_k2"


def payers(answer: Allowed) -> list[Payer]:
    """Who pays each leg."""
    return [leg.payer for leg in answer.legs]


def reason(answer: Allowed | Denied) -> DenialReason:
    """Why not."""
    assert isinstance(answer, Denied)
    return answer.denial.reason


async def test_a_secret_is_verified(quota: Quota) -> None:
    # given a key, and one with the same id that somebody made up (A1)
    await quota.team()
    genuine = quota.api_key()
    forged = make_api_key(KeyKind.SUBSCRIPTION, OWNER_KEY, b"another-entropy-of-32-bytes-long")
    # then the whole text decides
    assert isinstance(await quota.decide(quota.ask(1, key_id=None, api_key=genuine.text)), Allowed)
    for text in (forged.text, genuine.text[:-1], "", "qsk_acme_k1_x", "Bearer " + genuine.text):
        answer = await quota.denied(1, key_id=None, api_key=text)
        assert reason(answer) is DenialReason.KEY_INVALID


@pytest.mark.parametrize("key_id", ["acme_k9", "nobody_k1", "acme", "", "ACME_k1", "acme_kx"])
async def test_an_unknown_key_is_invalid(quota: Quota, key_id: str) -> None:
    await quota.team()
    assert reason(await quota.denied(1, key_id=key_id)) is DenialReason.KEY_INVALID


async def test_no_subject_is_an_invalid_key(quota: Quota) -> None:
    assert reason(await quota.denied(1, key_id=None)) is DenialReason.KEY_INVALID


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (KeyState.DISABLED, DenialReason.KEY_DISABLED),
        (KeyState.DELETED, DenialReason.KEY_INVALID),  # SEM-45
    ],
)
async def test_a_key_that_is_switched_off_or_deleted_is_denied(
    quota: Quota, state: KeyState, expected: DenialReason
) -> None:
    await quota.team(state=state)
    assert reason(await quota.denied(1)) is expected


async def test_the_key_of_a_removed_member_is_disabled(quota: Quota) -> None:
    # given a member who left, with the key still in the document (N11, SEM-45)
    await quota.put(team((member("ann", Role.OWNER),), keys=(key(1, "ann"), key(2, "bob"))))
    assert reason(await quota.denied(1, key_id=BOB_KEY)) is DenialReason.KEY_DISABLED


async def test_a_key_issued_a_moment_ago_works_on_every_replica(
    quota: Quota, make_quota: Callable[[], Quota]
) -> None:
    # given a replica that knows the team without its second key
    replica = make_quota()
    await quota.team()
    await replica.reserve(1)
    # when another one issues a key
    await quota.put(team((member("ann"),), keys=(key(1, "ann"), key(2, "ann"))))
    # then the first finds it: an unknown key is looked up anew before it is refused
    assert reason(await replica.denied(1, key_id=BOB_KEY)) is DenialReason.NO_RESOURCES


def test_the_stored_hash_is_useless_without_the_pepper() -> None:
    # A17: what is stored does not contain the secret
    secret = Quota.api_key().secret
    assert secret not in secret_hash(secret, SECRETS)


# What another replica changed.


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (KeyState.DISABLED, DenialReason.KEY_DISABLED),
        (KeyState.DELETED, DenialReason.KEY_INVALID),
    ],
)
async def test_a_revoked_key_is_refused_on_the_very_next_decision(
    quota: Quota, make_quota: Callable[[], Quota], state: KeyState, expected: DenialReason
) -> None:
    # given a replica that has just admitted this key
    replica = make_quota()
    await quota.team()
    await replica.reserve(1)
    # when another one revokes it
    await quota.team(state=state)
    # then the next decision refuses it, though nobody told the first replica
    assert reason(await replica.denied(1)) is expected


async def test_switched_off_access_holds_on_the_very_next_decision(
    quota: Quota, make_quota: Callable[[], Quota]
) -> None:
    # given a member without seat who spends Credits on a replica (G4)
    replica = make_quota()
    await quota.team(plan=None)
    await quota.grant("lot", 100)
    await replica.reserve(1)
    # when an Admin switches access off elsewhere (G5)
    await quota.team(plan=None, access=False)
    # then no more Credits are spent
    assert reason(await replica.denied(1)) is DenialReason.NO_RESOURCES


async def test_an_old_denial_is_not_believed(quota: Quota, make_quota: Callable[[], Quota]) -> None:
    # given a replica that remembers a member with nothing
    replica = make_quota()
    await quota.team(plan=None, access=False)
    assert reason(await replica.denied(1)) is DenialReason.NO_RESOURCES
    # when a seat is assigned elsewhere
    await quota.team(plan="plus", access=False)
    # then the replica admits: denials that need no script are checked against the store
    assert payers(await replica.reserve(1)) == [Payer.PLAN]


async def test_a_team_that_is_gone_has_no_keys(
    quota: Quota, make_quota: Callable[[], Quota]
) -> None:
    # given a replica that knows a team
    replica = make_quota()
    await quota.team()
    await replica.reserve(1)
    # when the team is no more
    await quota.executor.call("FLUSHALL", deadline=quota.deadline)
    # then its keys are invalid
    assert reason(await replica.denied(1)) is DenialReason.KEY_INVALID
