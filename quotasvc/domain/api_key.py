"""API keys as text: `qsk_<team>_k<n>_<secret><check>`, made once, stored as a keyed hash.

The check digits refuse a mistyped or made-up key before any I/O. The prefix makes a leaked key
easy to find: `qsk_` for subscription keys, `qpk_` for pay-as-you-go keys (A16, A17).
"""

from __future__ import annotations

import hmac
from binascii import crc32
from dataclasses import dataclass

from quotasvc.domain.secret import Secrets
from quotasvc.domain.team import KeyKind, team_of_key

PREFIXES = {KeyKind.SUBSCRIPTION: "qsk", KeyKind.PAYG: "qpk"}
KINDS = {prefix: kind for kind, prefix in PREFIXES.items()}
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_CHARS = 32
"""190 bits: nobody guesses it, so a fast keyed hash is enough."""
CHECK_CHARS = 6


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A well-formed key. `secret` never leaves this value except into its hash."""

    kind: KeyKind
    key_id: str
    team_id: str
    secret: str

    def __repr__(self) -> str:
        """Hides the secret from logs and tracebacks."""
        return f"ApiKey({self.key_id})"

    @property
    def text(self) -> str:
        """The key as its user holds it; shown once."""
        body = f"{PREFIXES[self.kind]}_{self.key_id}_{self.secret}"
        return body + _check(body)


def make_api_key(kind: KeyKind, key_id: str, entropy: bytes) -> ApiKey:
    """A new key from at least 32 random bytes."""
    team_id = team_of_key(key_id)
    if team_id is None or len(entropy) < SECRET_CHARS:
        raise ValueError("a key needs a key id and 32 random bytes")
    number = int.from_bytes(entropy, "big")
    secret = []
    for _ in range(SECRET_CHARS):
        number, digit = divmod(number, 62)
        secret.append(ALPHABET[digit])
    return ApiKey(kind, key_id, team_id, "".join(secret))


def parse_api_key(text: str) -> ApiKey | None:
    """The key that `text` spells, or None if it cannot be one: no I/O, whatever is sent."""
    body, check = text[:-CHECK_CHARS], text[-CHECK_CHARS:]
    prefix, _, rest = body.partition("_")
    key_id, _, secret = rest.rpartition("_")
    kind, team_id = KINDS.get(prefix), team_of_key(key_id)
    if kind is None or team_id is None or len(secret) != SECRET_CHARS or not text.isascii():
        return None
    if not hmac.compare_digest(_check(body).encode(), check.encode()):
        return None
    return ApiKey(kind, key_id, team_id, secret)


def secret_hash(secret: str, secrets: Secrets) -> str:
    """What is stored: the pepper's version, and HMAC-SHA256 of the secret under it, in hex."""
    mac = hmac.digest(secrets.pepper, secret.encode(), "sha256").hex()
    return f"{secrets.version}:{mac}"


def is_secret(secret: str, stored_hash: str, secrets: Secrets) -> bool:
    """Whether this is the secret behind the hash, compared in constant time."""
    return hmac.compare_digest(secret_hash(secret, secrets), stored_hash)


def _check(body: str) -> str:
    number = crc32(body.encode())
    digits = []
    for _ in range(CHECK_CHARS):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(digits)
