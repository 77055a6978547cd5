"""The stitched scripts of one build: loads them once, packs their calls.

Callers declare a `Script`, load all of them at start and run them by declaration. To the server
they are functions of one library, named by the hash of its text, so old and new versions coexist
in a rolling deploy. Functions and not EVAL: what a script is made of is then run once instead of
at every call, a third of its cost.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import compress

from quotasvc.store.declaration import Arg, Build, Constants, Script
from quotasvc.store.faults import ScriptBroken
from quotasvc.store.resp import Word, pack
from quotasvc.store.stitcher import DIGEST, LOOK, function_name, library, stitch

__all__ = [
    "Arg",
    "Build",
    "Constants",
    "Library",
    "Script",
    "ScriptSet",
    "StitchedScript",
    "load_scripts",
]


WORDS_MAX = 7_000
"""Keys or arguments of one call: Lua's `unpack` fails at 8,000."""


@dataclass(frozen=True, slots=True)
class Library:
    """Scripts as the server gets them; `digest` of its content is in all its names."""

    digest: str
    text: str

    @staticmethod
    def of(text: str) -> Library:
        """Names `text`, in which `DIGEST` stands for it, by its content."""
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]
        return Library(digest, f"#!lua name=quotasvc_{DIGEST}\n{text}".replace(DIGEST, digest))

    @property
    def name(self) -> str:
        """What it is deleted by."""
        return f"quotasvc_{self.digest}"

    def pack_load(self) -> bytes:
        """The command that makes the server know its scripts."""
        return pack((b"FUNCTION", b"LOAD", self.text))


@dataclass(frozen=True, slots=True)
class StitchedScript:
    """One script of a library; `function` is what FCALL calls it by."""

    name: str
    library: Library
    function: str
    keys_min: int
    keys_max: int
    args_min: int
    args_max: int
    is_number: tuple[bool, ...]  # of each declared argument
    is_rest_number: bool

    @staticmethod
    def of(declaration: Script, library: Library) -> StitchedScript:
        """The script of this declaration in `library`."""
        keys, args = len(declaration.keys), len(declaration.args)
        rest = declaration.rest_args
        return StitchedScript(
            name=declaration.name,
            library=library,
            function=function_name(declaration, library.digest),
            keys_min=keys,
            keys_max=keys if declaration.rest_keys is None else WORDS_MAX,
            args_min=args,
            args_max=args if rest is None else WORDS_MAX,
            is_number=tuple(arg.kind is int for arg in declaration.args),
            is_rest_number=rest is not None and rest.kind is int,
        )

    def sort(self, args: Sequence[Word]) -> tuple[list[Word], list[Word]]:
        """The numbers and the texts of `args`, each in their order."""
        numbers = list(compress(args, self.is_number))
        texts = [arg for arg, is_number in zip(args, self.is_number, strict=False) if not is_number]
        further = args[self.args_min :]
        (numbers if self.is_rest_number else texts).extend(further)
        return numbers, texts


class ScriptSet:
    """All scripts of one build, found by their declaration."""

    def __init__(
        self, scripts: Iterable[StitchedScript], clock_ms: Callable[[], int] | None = None
    ) -> None:
        self._by_name = {script.name: script for script in scripts}
        self._looks = {
            name: replace(script, function=script.function + LOOK)
            for name, script in self._by_name.items()
        }
        self._clock_ms = clock_ms

    def __iter__(self) -> Iterator[StitchedScript]:
        return iter(self._by_name.values())

    @property
    def libraries(self) -> frozenset[Library]:
        """What the server has to be given; it is one, unless the scripts were stitched apart."""
        return frozenset(script.library for script in self)

    def __getitem__(self, declaration: Script) -> StitchedScript:
        return (self._looks if declaration.is_look else self._by_name)[declaration.name]

    def pack(
        self, script: StitchedScript, nonce: bytes, keys: Sequence[str], args: Sequence[Word]
    ) -> bytes:
        """The FCALL of one call; arguments that the declaration forbids are a TypeError."""
        key_count = len(keys)
        if not script.keys_min <= key_count <= script.keys_max:
            raise TypeError(f"{script.name} takes {script.keys_min} keys, got {key_count}")
        if not script.args_min <= len(args) <= script.args_max:
            raise TypeError(f"{script.name} takes {script.args_min} arguments, got {len(args)}")
        numbers, texts = script.sort(args)
        if self._clock_ms is not None:
            numbers.insert(0, self._clock_ms())
        try:
            packed = struct.pack(f"<{len(numbers)}q", *numbers)
        except (struct.error, OverflowError) as error:
            raise TypeError(f"{script.name}: {error}") from None
        return pack((b"FCALL", script.function, key_count, *keys, nonce, packed, *texts))


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
    declarations = tuple(declarations)
    sources = library(files("quotasvc.store") / "lua" if root is None else root, build)
    stitched = Library.of(stitch(declarations, build, sources))
    return ScriptSet((StitchedScript.of(script, stitched) for script in declarations), clock_ms)
