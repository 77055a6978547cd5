"""`quotasvc demo keys`."""

from __future__ import annotations

import json

from quotasvc.cli.option import Format
from quotasvc.config import Settings
from quotasvc.demo import KEYS, DemoKey
from quotasvc.domain.secret import Secrets
from quotasvc.private_file import FileFault
from quotasvc.secrets_file import read_secrets


def print_keys(settings: Settings, choice: Format) -> None:
    """Prints every key of the demo."""
    secrets = read_secrets(settings.secrets)
    if secrets is None:
        raise FileFault(
            f"{settings.secrets} does not exist, and the demo's keys derive from it: "
            "run `quotasvc serve --demo` first, or give its --data or --secrets"
        )
    rows = [_row(key, secrets) for key in KEYS]
    match choice:
        case Format.JSON:
            print(json.dumps(rows, indent=2))
        case Format.SHELL:
            print("\n".join(f"export {key.variable}={key.api_key(secrets).text}" for key in KEYS))
        case Format.TABLE:
            print(_table(rows))


def _row(key: DemoKey, secrets: Secrets) -> dict[str, str | None]:
    return {
        "team_id": key.team_id,
        "user_id": key.user_id,
        "role": key.role.value,
        "key_id": key.key_id,
        "api_key": key.api_key(secrets).text,
        "kind": key.kind.value,
        "plan": key.plan,
        "seat_id": key.seat_id,
        "state": key.state,
    }


_COLUMNS = ("key_id", "user_id", "role", "kind", "plan", "seat_id")
_WIDTHS = (12, 8, 8, 14, 16, 12)


def _table(rows: list[dict[str, str | None]]) -> str:
    """One block a key: the key itself is too long for a column, and must be easy to copy."""
    lines = [_line({name: name.upper() for name in _COLUMNS})]
    for row in rows:
        lines += ["", _line(row), f"  {row['api_key']}", f"  {row['state']}"]
    return "\n".join(lines)


def _line(row: dict[str, str | None]) -> str:
    cells = (f"{row[name] or '-':<{width}}" for name, width in zip(_COLUMNS, _WIDTHS, strict=True))
    return "".join(cells).rstrip()
