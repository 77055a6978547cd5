"""Routes are remembered per version of team and catalog, and no more than may be."""

from __future__ import annotations

from dataclasses import replace

from quotasvc.domain.order import Route
from quotasvc.domain.outcome import DenialReason
from quotasvc.planes.identity import Identity
from quotasvc.planes.routes import Routes
from tests.support.catalogs import catalog
from tests.support.clock import DAY, START_MS
from tests.support.people import key, member, seat, team

POLICY = catalog()
ANN = key(1, "ann")
TEAM = team((member("ann"),), seats=(seat("s1", "ann"),), keys=(ANN,))
IDENTITY = Identity(team=TEAM, team_version=1, key=ANN)


def test_the_same_question_has_the_same_answer() -> None:
    routes = Routes()
    first = routes.find(POLICY, IDENTITY, "text/a", START_MS)
    assert isinstance(first, Route)
    assert routes.find(POLICY, IDENTITY, "text/a", START_MS) is first


def test_any_new_version_is_another_question() -> None:
    # given a route, and a version of the team in which the seat is gone
    routes = Routes()
    first = routes.find(POLICY, IDENTITY, "text/a", START_MS)
    later = replace(IDENTITY, team=replace(TEAM, seats=()), team_version=2)
    # then the old answer is not given for it, nor for another catalog, key or resource
    found = routes.find(POLICY, later, "text/a", START_MS)
    assert isinstance(found, Route)
    assert found.seat is None
    assert routes.find(catalog(version="newer001"), IDENTITY, "text/a", START_MS) is not first
    assert routes.find(POLICY, IDENTITY, "image/a", START_MS) is not first
    other = replace(IDENTITY, key=key(2, "ann", payg=True))
    assert routes.find(POLICY, other, "text/a", START_MS) is not first


def test_early_reasons_are_not_remembered() -> None:
    routes = Routes(routes_max=1)
    first = routes.find(POLICY, IDENTITY, "text/a", START_MS)
    for number in range(3):
        assert (
            routes.find(POLICY, IDENTITY, f"no/{number}", START_MS) is DenialReason.UNKNOWN_RESOURCE
        )
    assert routes.find(POLICY, IDENTITY, "text/a", START_MS) is first


def test_no_more_routes_are_kept_than_may_be() -> None:
    # given room for two
    routes = Routes(routes_max=2)
    first = routes.find(POLICY, IDENTITY, "text/a", START_MS)
    routes.find(POLICY, IDENTITY, "image/a", START_MS)
    # when a third is asked for, then they are worked out anew, with the same answer
    routes.find(POLICY, IDENTITY, "vlm/a", START_MS)
    again = routes.find(POLICY, IDENTITY, "text/a", START_MS)
    assert again is not first
    assert again == first


def test_a_team_that_changes_often_leaves_no_old_routes_behind() -> None:
    # given room for two routes, and one that is used by a team that changes with each request
    routes = Routes(routes_max=2)
    other = routes.find(POLICY, IDENTITY, "image/a", START_MS)
    versions = [replace(IDENTITY, team_version=version) for version in range(1, 9)]
    found = [routes.find(POLICY, version, "text/a", START_MS) for version in versions]
    # then the latest one and the other one are still known
    assert routes.find(POLICY, versions[-1], "text/a", START_MS) is found[-1]
    assert routes.find(POLICY, IDENTITY, "image/a", START_MS) is other


def test_a_route_is_asked_for_anew_once_its_seat_has_ended() -> None:
    # given a seat that is paid until tomorrow (SEM-42)
    routes, until_ms = Routes(), START_MS + DAY
    ending = replace(TEAM.seats[0], paid_until_ms=until_ms, renews=False)
    identity = replace(IDENTITY, team=replace(TEAM, seats=(ending,)))
    first = routes.find(POLICY, identity, "text/a", START_MS)
    assert isinstance(first, Route)
    assert first.seat == ending
    # then the same route is good up to that moment, and not at it
    assert routes.find(POLICY, identity, "text/a", until_ms - 1) is first
    later = routes.find(POLICY, identity, "text/a", until_ms)
    assert isinstance(later, Route)
    assert later.seat is None
    # and a clock that steps back finds the seat again
    again = routes.find(POLICY, identity, "text/a", until_ms - 1)
    assert again == first
