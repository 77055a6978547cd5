"""Remembers who may pay for a key's use of a resource: worked out once per version of things."""

from __future__ import annotations

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.order import Route, find_route
from quotasvc.domain.outcome import DenialReason
from quotasvc.planes.identity import Identity


class Routes:
    """Routes by (key, resource), each of the latest versions of team and catalog that were asked
    about: an old team is not kept alive by the routes that it had."""

    def __init__(self, *, routes_max: int = 50_000) -> None:
        self._routes_max = routes_max
        self._known: dict[tuple[str, str, str], tuple[str, int, Route]] = {}

    def find(
        self, catalog: Catalog, identity: Identity, resource_id: str, now_ms: int
    ) -> Route | DenialReason:
        """The route, or the early denial; denials are not remembered: their ids are endless."""
        name = (identity.team.team_id, identity.key.key_id, resource_id)
        version, team_version, known = self._known.get(name, ("", 0, None))
        is_current = version == catalog.version and team_version == identity.team_version
        if known is not None and is_current and known.from_ms <= now_ms < known.until_ms:
            return known
        found = find_route(catalog, identity.team, identity.key, resource_id, now_ms)
        if isinstance(found, Route):
            if len(self._known) >= self._routes_max and name not in self._known:
                self._known.clear()
            self._known[name] = (catalog.version, identity.team_version, found)
        return found
