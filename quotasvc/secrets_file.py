"""The file that holds the MAC key and the pepper, the same for every replica of one store.

Made once, when a store is begun. Without it no key of that store can be verified and no
reservation id be read, so a missing file is made anew only while there is nothing to lose.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quotasvc.domain.secret import Secrets
from quotasvc.private_file import FileFault, create_private, read_private

SECRET_BYTES = 32
_VERSION = 1


def read_secrets(path: Path) -> Secrets | None:
    """The secrets; None if there is no file yet."""
    text = read_private(path)
    if text is None:
        return None
    try:
        document: dict[str, Any] = json.loads(text)
        secrets = Secrets(
            version=int(document["version"]),
            mac_key=bytes.fromhex(document["mac_key"]),
            pepper=bytes.fromhex(document["pepper"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        # Only its kind: what cannot be parsed may be a secret.
        raise FileFault(
            f"{path} holds no secrets ({type(error).__name__}): bring back a copy of it"
        ) from None
    if len(secrets.mac_key) < SECRET_BYTES or len(secrets.pepper) < SECRET_BYTES:
        raise FileFault(f"{path}: mac_key and pepper are {SECRET_BYTES} bytes each, as hex")
    return secrets


def create_secrets(path: Path, entropy: Callable[[int], bytes]) -> Secrets:
    """New secrets, in a new file; if another process was first, its secrets."""
    secrets = Secrets(version=_VERSION, mac_key=entropy(SECRET_BYTES), pepper=entropy(SECRET_BYTES))
    document = {
        "version": secrets.version,
        "mac_key": secrets.mac_key.hex(),
        "pepper": secrets.pepper.hex(),
    }
    try:
        is_ours = create_private(path, json.dumps(document, indent=2) + "\n")
    except OSError as error:
        raise FileFault(f"{path} cannot be written: {error.strerror}") from None
    if is_ours:
        return secrets
    found = read_secrets(path)
    assert found is not None
    return found


def fingerprint(secrets: Secrets) -> str:
    """Tells one set of secrets from another without showing either; 32 hex digits."""
    digest = hmac.digest(secrets.mac_key, b"fingerprint" + secrets.pepper, "sha256")
    return f"v{secrets.version}-{digest.hex()[:32]}"
