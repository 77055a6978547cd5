"""What `serve` tells a person: what runs where, and what to paste next."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from shlex import quote

from quotasvc.app import Ready
from quotasvc.cli.version import installed_version
from quotasvc.config import DATA, EMBEDDED, SECRETS, SECRETS_FILE_NAME, Settings, default_data
from quotasvc.demo import KEYS

_SERVICE = "quotasvc.v1.DecisionService"


def banner(settings: Settings, ready: Ready, *, shows_key: bool) -> str:
    """Ten lines. Without `shows_key` the call names the key by its id, which is no secret."""
    presence, catalog = ready.presence, ready.catalog
    store = presence.store
    if store == EMBEDDED:
        store = "embedded Valkey, every write synced"
    lines = [
        f"quotasvc {installed_version()} is serving",
        "",
        f"  gRPC      {presence.listen}",
        f"  admin     http://{presence.admin}  /metrics /readyz /healthz",
        f"  store     {store}",
        f"  data      {settings.data}",
        f"  catalog   {catalog.label}, version {catalog.version}",
        "",
        *(_demo(settings, ready, shows_key=shows_key) if settings.demo else _no_demo(ready)),
        "",
        "Ctrl-C stops it; every balance is kept.",
    ]
    return "\n".join(lines) + "\n"


def _demo(settings: Settings, ready: Ready, *, shows_key: bool) -> list[str]:
    key, *_ = KEYS
    subject = {"api_key": key.api_key(ready.secrets).text} if shows_key else {"key_id": key.key_id}
    request = {
        # Another one at each start: the same again would be answered as a replay.
        "request_id": f"try-{ready.presence.pid}",
        **subject,
        "resource": "text/m2.7",
        "usage": {"input_tokens": 1000, "output_tokens": 500},
    }
    return [
        "Paste this to ask for a decision:",
        "",
        f"  grpcurl -plaintext -d {quote(json.dumps(request))} \\",
        f"    {ready.presence.listen} {_SERVICE}/CheckAndReserve",
        "",
        f"  {_command()} demo keys{_where(settings)}",
        "    shows all demo keys and what each one is for",
    ]


def _no_demo(ready: Ready) -> list[str]:
    return [
        f"  grpcurl -plaintext {ready.presence.listen} list",
        "  serve --demo puts demo teams with keys into the store",
    ]


def _command() -> str:
    """How this very program was called, so that the line can be pasted."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return "python -m quotasvc"
    found = shutil.which(program.name)
    if found is not None and Path(found).samefile(program):
        return program.name
    return str(program)


def _where(settings: Settings) -> str:
    """The option by which the command finds the same secrets, if it needs one."""
    if settings.secrets == default_data() / SECRETS_FILE_NAME:
        return ""
    if settings.secrets == settings.data / SECRETS_FILE_NAME:
        return f" {DATA.flag} {quote(str(settings.data))}"
    return f" {SECRETS.flag} {quote(str(settings.secrets))}"
