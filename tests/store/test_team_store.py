"""Team documents: written if nobody else was first, read back as they were, cached honestly."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.domain.team import SEAT_ID, KeyState, Role, Seat, Team
from quotasvc.planes.foresight import NEW_SEAT
from quotasvc.store import keys
from quotasvc.store.executor import Executor
from quotasvc.store.team import TeamDirectory, team_from_json, team_to_json
from tests.support.books import Books
from tests.support.catalogs import CREDIT
from tests.support.people import key, member, seat, team
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

EVERYTHING = team(
    (member("ann", Role.OWNER), member("bob", Role.ADMIN, access=False), member("é")),
    seats=(
        seat("s1", "ann"),
        Seat(seat_id="s2", plan_id="max", purchased_ms=1_774_195_200_000, user_id=None),
    ),
    keys=(
        key(1, "ann"),
        key(2, "ann", payg=True, state=KeyState.DISABLED),
        key(3, "bob", state=KeyState.DELETED),
    ),
)


def test_a_document_tells_the_whole_team() -> None:
    assert team_from_json(team_to_json(EVERYTHING)) == EVERYTHING


async def test_a_team_is_read_back_as_it_was_written(quota: Quota) -> None:
    await quota.put(EVERYTHING)
    found = await quota.teams.load(TEAM, quota.deadline)
    assert found is not None
    assert (found.version, found.team) == (1, EVERYTHING)


@pytest.mark.parametrize(
    "change",
    [
        {"members": None},
        {"members": [{}]},
        {"members": [{"user_id": "a", "role": "emperor", "credits_access": True}]},
        {"seats": [{"seat_id": "s1"}]},
        {"seats": [{"seat_id": 1, "plan_id": "p", "purchased_ms": 0, "user_id": None}]},
        {"seats": [{"seat_id": "s", "plan_id": "p", "purchased_ms": 0, "user_id": None, "x": 1}]},
        {"keys": [{"key_id": "acme_k1"}]},
        {"keys": "none"},
    ],
    ids=str,
)
def test_a_document_of_another_shape_is_corrupt(change: dict[str, object]) -> None:
    # given a document of a future version, or one that somebody has edited
    document = json.loads(team_to_json(EVERYTHING)) | change
    with pytest.raises(Corrupt, match="team document"):
        team_from_json(json.dumps(document))


@pytest.mark.parametrize(
    "seat_id", ["", "s.1", "s:1", "s 1", "s1\n", "é", "+", "s" * 23, "s}", "\u0660"], ids=repr
)
async def test_a_seat_id_that_reservation_ids_cannot_carry_is_refused(
    quota: Quota, seat_id: str
) -> None:
    """SEM-36: the id of a reservation describes itself, seat included."""
    # given a team with such a seat, written here or by somebody else
    await quota.team()
    bad = replace(EVERYTHING, seats=(replace(EVERYTHING.seats[0], seat_id=seat_id),))
    before = await quota.dump()
    # then it is not written, and the cure is told
    with pytest.raises(ValueError, match="1 to 22 letters, digits, hyphens and underscores"):
        await quota.control.put_team(bad, 1, quota.deadline)
    assert await quota.dump() == before
    # nor is it read
    document = json.loads(team_to_json(EVERYTHING))
    document["seats"][0]["seat_id"] = seat_id
    with pytest.raises(Corrupt, match="1 to 22 letters, digits, hyphens and underscores"):
        team_from_json(json.dumps(document))


async def test_a_seat_id_may_be_as_long_as_reservation_ids_can_carry(quota: Quota) -> None:
    """SEM-36."""
    longest = "Seat-of_22-characters-"
    await quota.put(team((member("ann"),), seats=(seat(longest, "ann"),), keys=(key(1, "ann"),)))
    reservation = await quota.reserve(10)
    assert [leg.source for leg in reservation.legs] == [f"{longest}/general"]
    assert (await quota.commit(reservation)).actual_nanos == 10 * CREDIT


def test_no_seat_can_have_the_id_of_one_that_is_not_bought_yet() -> None:
    """SEM-48: an upgrade is named by what a new, empty seat would admit."""
    assert not SEAT_ID.fullmatch(NEW_SEAT)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "7", '"x"'])
def test_a_text_that_is_no_document_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt, match="team document"):
        team_from_json(text)


@pytest.mark.parametrize("fields", [("version", "x"), ("version", "1.5"), ("version", "-1")])
async def test_a_version_that_is_no_number_is_corrupt(
    quota: Quota, executor: Executor, fields: tuple[str, str]
) -> None:
    await quota.team()
    words = ("HSET", keys.team_keys(TEAM).team, *fields)
    await executor.call(*words, deadline=quota.deadline)
    with pytest.raises(Corrupt, match=TEAM):
        await quota.teams.load(TEAM, quota.deadline)
    await executor.call("HSET", words[1], "version", "1", deadline=quota.deadline)


async def test_a_document_without_its_version_is_corrupt(quota: Quota, executor: Executor) -> None:
    await quota.team()
    name = keys.team_keys(TEAM).team
    await executor.call("HDEL", name, "version", deadline=quota.deadline)
    with pytest.raises(Corrupt, match=TEAM):
        await quota.teams.load(TEAM, quota.deadline)
    await executor.call("HSET", name, "version", "1", deadline=quota.deadline)


# Compare and set.


async def test_the_second_of_two_writers_loses(quota: Quota) -> None:
    # given two who read the same version
    await quota.team()
    first = await quota.control.put_team(EVERYTHING, 1, quota.deadline)
    before = await quota.dump()
    # when the second writes
    second = await quota.control.put_team(EVERYTHING, 1, quota.deadline)
    # then it has to read again, and nothing has changed
    assert (first, second) == (2, None)
    assert await quota.dump() == before


async def test_of_many_writers_at_once_one_wins(quota: Quota) -> None:
    await quota.team()
    calls = [quota.control.put_team(EVERYTHING, 1, quota.deadline) for _ in range(20)]
    results = await asyncio.gather(*calls)
    assert [result for result in results if result is not None] == [2]


async def test_a_team_is_created_at_version_0_only(quota: Quota) -> None:
    assert await quota.control.put_team(EVERYTHING, 3, quota.deadline) is None
    assert await quota.control.put_team(EVERYTHING, 0, quota.deadline) == 1
    assert await quota.control.put_team(EVERYTHING, 0, quota.deadline) is None


async def test_of_a_new_team_nothing_is_due(quota: Quota) -> None:
    await quota.team()
    assert (await Books.read(quota.executor)).team(TEAM).counters["due_ms"] == 0


async def test_a_change_is_a_ledger_entry_with_the_document(quota: Quota) -> None:
    # given a team that is changed once (SEM-39)
    await quota.team()
    await quota.put(EVERYTHING)
    entry = (await Books.read(quota.executor)).team(TEAM).entries[-1]
    assert (entry.kind, entry.entry, entry.seq) == ("team", 2, 2)
    assert entry.first["version"] == "2"
    assert team_from_json(entry.first["document"]) == EVERYTHING


async def test_a_change_leaves_counters_and_holds_alone(quota: Quota) -> None:
    await quota.team()
    await quota.reserve(10)
    before = (await Books.read(quota.executor)).team(TEAM).counters
    await quota.team(plan="max")
    after = (await Books.read(quota.executor)).team(TEAM).counters
    assert after["due_ms"] == before["due_ms"]
    assert after["seq"] == before["seq"] + 1


# The cache.


async def test_an_unknown_team_is_none_and_not_remembered(quota: Quota) -> None:
    assert await quota.teams.get("nobody", quota.deadline) is None
    await quota.control.put_team(EVERYTHING, 0, quota.deadline)
    assert await quota.teams.get(TEAM, quota.deadline) is not None


async def test_a_team_that_went_away_is_forgotten(quota: Quota) -> None:
    await quota.team()
    assert await quota.teams.get(TEAM, quota.deadline) is not None
    await quota.executor.call("FLUSHALL", deadline=quota.deadline)
    assert await quota.teams.load(TEAM, quota.deadline) is None
    assert await quota.teams.get(TEAM, quota.deadline) is None


async def test_a_team_is_parsed_again_only_when_it_has_changed(quota: Quota) -> None:
    # given a team that is remembered
    await quota.team()
    known = await quota.teams.load(TEAM, quota.deadline)
    # when it is looked up anew, as for each unknown key, then it is the one that was parsed before
    assert await quota.teams.load(TEAM, quota.deadline) is known
    # and once it has changed, by version or by content, it is as it is now
    await quota.put(EVERYTHING)
    changed = await quota.teams.load(TEAM, quota.deadline)
    assert changed is not None
    assert (changed.version, changed.team) == (2, EVERYTHING)
    name = keys.team_keys(TEAM).team
    other = team_to_json(replace(EVERYTHING, name="Other"))
    await quota.executor.call("HSET", name, "document", other, deadline=quota.deadline)
    found = await quota.teams.load(TEAM, quota.deadline)
    assert found is not None
    assert (found.version, found.team.name) == (2, "Other")
    await quota.executor.call("HSET", name, "version", "3", deadline=quota.deadline)
    found = await quota.teams.load(TEAM, quota.deadline)
    assert found is not None
    assert found.version == 3


async def test_the_directory_remembers_no_more_teams_than_it_may(
    quota: Quota, executor: Executor
) -> None:
    # given a directory for two, and three teams
    directory = TeamDirectory(executor, teams_max=2)
    for team_id in ("one", "two", "three"):
        other = Team(team_id=team_id, name="", is_default=True, members=(), seats=(), keys=())
        await quota.control.put_team(other, 0, quota.deadline)
        await directory.get(team_id, quota.deadline)
    # when all change in the store
    for team_id in ("one", "two", "three"):
        found = await quota.teams.load(team_id, quota.deadline)
        assert found is not None
        await quota.control.put_team(found.team, found.version, quota.deadline)
    # then two are remembered as they were, and the oldest is read anew
    versions = [await directory.get(t, quota.deadline) for t in ("two", "three", "one")]
    assert [found.version if found else None for found in versions] == [1, 1, 2]
