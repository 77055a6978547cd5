"""Who asks: from a key as text, or from the id of a key that the caller has verified itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from quotasvc.domain.api_key import is_secret, parse_api_key
from quotasvc.domain.secret import Secrets
from quotasvc.domain.team import Key, KeyKind, Team, team_of_key
from quotasvc.store.team import TeamDirectory, VersionedTeam


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A key as presented: parsed, but not yet compared with what the team knows."""

    team_id: str
    key_id: str
    kind: KeyKind | None  # None, like the secret: the caller vouches for the key
    secret: str | None = field(repr=False)

    @staticmethod
    def of(api_key: str | None, key_id: str | None) -> Claim | None:
        """The claim that a request makes; None where no key can look like that. No I/O."""
        if api_key is not None:
            parsed = parse_api_key(api_key)
            if parsed is None:
                return None
            return Claim(
                team_id=parsed.team_id,
                key_id=parsed.key_id,
                kind=parsed.kind,
                secret=parsed.secret,
            )
        team_id = team_of_key(key_id) if key_id is not None else None
        if team_id is None or key_id is None:
            return None
        return Claim(team_id=team_id, key_id=key_id, kind=None, secret=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A verified key in its team, at the version at which it was looked up. It may be disabled."""

    team: Team
    team_version: int
    key: Key


class Identities:
    """Verifies claims against team documents."""

    def __init__(self, teams: TeamDirectory, secrets: Secrets) -> None:
        self._teams = teams
        self._secrets = secrets

    async def find(
        self, claim: Claim | None, deadline: float, *, is_fresh: bool = False
    ) -> Identity | None:
        """The identity behind a claim, or None: unknown key or wrong secret, not told apart.

        What this replica remembers may be old: a decision compares versions in its script and
        asks again with `is_fresh`. A miss is looked up anew before it is believed, since a key
        may have been issued a moment ago.
        """
        if claim is None:
            return None
        if not is_fresh:
            found = await self._teams.get(claim.team_id, deadline)
            identity = self._verify(claim, found) if found else None
            if identity is not None:
                return identity
        found = await self._teams.load(claim.team_id, deadline)
        return self._verify(claim, found) if found else None

    def _verify(self, claim: Claim, found: VersionedTeam) -> Identity | None:
        key = found.team.key(claim.key_id)
        if key is None or claim.kind not in (None, key.kind):
            return None
        if claim.secret is not None and not is_secret(claim.secret, key.secret_hash, self._secrets):
            return None
        return Identity(team=found.team, team_version=found.version, key=key)
