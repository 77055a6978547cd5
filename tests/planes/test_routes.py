"""Routes are remembered per version of team and catalog, and no more than may be."""

from __future__ import annotations

from dataclasses import replace

from quotasvc.domain.order import Route
from quotasvc.domain.outcome import DenialReason
from quotasvc.planes.identity import Identity
from quotasvc.planes.routes import Routes
from tests.support.catalogs import catalog
from tests.support.people import key, member, seat, team

POLICY = catalog()
ANN = key(1, "ann")
TEAM = team((member("ann"),), seats=(seat("s1", "ann"),), keys=(ANN,))
IDENTITY = Identity(team=TEAM, team_version=1, key=ANN, is_fresh=False)


def test_the_same_question_has_the_same_answer() -> None:
    routes = Routes()
    first = routes.find(POLICY, IDENTITY, "text/a")
    assert isinstance(first, Route)
    assert routes.find(POLICY, IDENTITY, "text/a") is first


def test_any_new_version_is_another_question() -> None:
    # given a route, and a version of the team in which the seat is gone
    routes = Routes()
    first = routes.find(POLICY, IDENTITY, "text/a")
    later = replace(IDENTITY, team=replace(TEAM, seats=()), team_version=2)
    # then the old answer is not given for it, nor for another catalog, key or resource
    found = routes.find(POLICY, later, "text/a")
    assert isinstance(found, Route)
    assert found.seat is None
    assert routes.find(catalog(version="newer001"), IDENTITY, "text/a") is not first
    assert routes.find(POLICY, IDENTITY, "image/a") is not first
    other = replace(IDENTITY, key=key(2, "ann", payg=True))
    assert routes.find(POLICY, other, "text/a") is not first


def test_early_reasons_are_not_remembered() -> None:
    routes = Routes(routes_max=1)
    first = routes.find(POLICY, IDENTITY, "text/a")
    for number in range(3):
        assert routes.find(POLICY, IDENTITY, f"no/{number}") is DenialReason.UNKNOWN_RESOURCE
    assert routes.find(POLICY, IDENTITY, "text/a") is first


def test_no_more_routes_are_kept_than_may_be() -> None:
    # given room for two
    routes = Routes(routes_max=2)
    first = routes.find(POLICY, IDENTITY, "text/a")
    routes.find(POLICY, IDENTITY, "image/a")
    # when a third is asked for, then they are worked out anew, with the same answer
    routes.find(POLICY, IDENTITY, "vlm/a")
    again = routes.find(POLICY, IDENTITY, "text/a")
    assert again is not first
    assert again == first
