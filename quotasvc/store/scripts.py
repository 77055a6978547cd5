"""The stitched scripts of one build: loads them once, packs their calls.

Callers declare a `Script`, load all of them at start and run them by declaration. A script is
known to the server by the hash of its text, so old and new versions coexist in a rolling deploy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from quotasvc.store.declaration import Arg, Build, Constants, Script
from quotasvc.store.faults import ScriptBroken
from quotasvc.store.resp import Word, pack
from quotasvc.store.stitcher import stitch

__all__ = [
    "Arg",
    "Build",
    "Constants",
    "Script",
    "ScriptSet",
    "StitchedScript",
    "load_scripts",
]


WORDS_MAX = 7_000
"""Keys or arguments of one call: Lua's `unpack` fails at 8,000."""


@dataclass(frozen=True, slots=True)
class StitchedScript:
    """One script as the server gets it; `sha` is what EVALSHA calls it by."""

    name: str
    text: str
    sha: str
    keys_min: int
    keys_max: int
    args_min: int
    args_max: int

    @staticmethod
    def of(declaration: Script, text: str) -> StitchedScript:
        """Names `text` by its content."""
        keys, args = len(declaration.keys), len(declaration.args)
        return StitchedScript(
            name=declaration.name,
            text=text,
            sha=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
            keys_min=keys,
            keys_max=keys if declaration.rest_keys is None else WORDS_MAX,
            args_min=args,
            args_max=args if declaration.rest_args is None else WORDS_MAX,
        )

    def pack_load(self) -> bytes:
        """The command that makes the server know the script."""
        return pack((b"SCRIPT", b"LOAD", self.text))


class ScriptSet:
    """All scripts of one build, found by their declaration."""

    def __init__(
        self, scripts: Iterable[StitchedScript], clock_ms: Callable[[], int] | None = None
    ) -> None:
        self._by_name = {script.name: script for script in scripts}
        self._clock_ms = clock_ms

    def __iter__(self) -> Iterator[StitchedScript]:
        return iter(self._by_name.values())

    def __getitem__(self, declaration: Script) -> StitchedScript:
        return self._by_name[declaration.name]

    def pack(
        self, script: StitchedScript, nonce: bytes, keys: Sequence[str], args: Sequence[Word]
    ) -> bytes:
        """The EVALSHA of one call; a count that the declaration forbids is a TypeError."""
        key_count = len(keys)
        if not script.keys_min <= key_count <= script.keys_max:
            raise TypeError(f"{script.name} takes {script.keys_min} keys, got {key_count}")
        if not script.args_min <= len(args) <= script.args_max:
            raise TypeError(f"{script.name} takes {script.args_min} arguments, got {len(args)}")
        if self._clock_ms is not None:
            args = (self._clock_ms(), *args)
        return pack((b"EVALSHA", script.sha, key_count, *keys, nonce, *args))


def load_scripts(
    declarations: Iterable[Script],
    *,
    build: Build = Build.SERVE,
    clock_ms: Callable[[], int] | None = None,
    root: Traversable | None = None,
) -> ScriptSet:
    """Stitches all `declarations` from the Lua files below `root` (our own lua/ by default).

    Only `Build.TEST` takes a clock, and needs one: its scripts never read the server's time.
    """
    if (build is Build.TEST) != (clock_ms is not None):
        raise ScriptBroken("a clock belongs to Build.TEST, and to nothing else")
    sources = files("quotasvc.store") / "lua" if root is None else root
    return ScriptSet(
        (StitchedScript.of(script, stitch(script, build, sources)) for script in declarations),
        clock_ms,
    )
