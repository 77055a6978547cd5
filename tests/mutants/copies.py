"""Copies of the tree in which mutants are tried: the tree itself is only read, once.

A copy is used again and again: one file is written differently, pytest runs, the file is put
back. Knows processes and files; does not know what is tried.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

from tests.mutants.mutant import Mutant
from tests.mutants.selection import not_asked

HANG_S = 120.0
"""A test that takes so long hangs; the slowest, a round of the model, takes 20 s where nothing else
runs, and several times that where much does."""

RUN_S_MAX = 900.0
MEMORY_BYTES_MAX = 4 << 30
"""For each process: a loop without end may fill a list."""

_LEFT_OUT = shutil.ignore_patterns(".*", "node_modules", "dist")
_JUDGES = ("quotasvc", "tests", "pyproject.toml")
_PYTHON = (sys.executable, "-B", "-m")
_OPTIONS = (
    *("-x", "-q", "--no-header", "--tb=short"),
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"),
    # The same examples every time: a mutant must not live or die by chance.
    *("--hypothesis-seed=1", "--hypothesis-profile=mutants"),
    *("-p", "tests.mutants.witness"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of pytest ended: its exit code (None: it hung), who failed, what it said."""

    code: int | None
    failed: tuple[str, ...]
    output: str

    @property
    def has_passed(self) -> bool:
        """Whether every test passed, and there were some."""
        return self.code == 0

    @property
    def was_asked(self) -> bool:
        """False if pytest could not make sense of what it was asked to run."""
        return self.code not in {4, 5}


class Copy:
    """One copy of the tree at `source`, in `folder`; one run at a time."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.root = folder / "tree"
        self._witness = folder / "witness"
        self._output = folder / "output"
        # Short, for a socket's path must be.
        self._temp = folder / "t"
        self._running: subprocess.Popen[bytes] | None = None
        self._warm: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        # Modification times are copied too, and with them compiled modules stay good.
        shutil.copytree(source, self.root, ignore=_LEFT_OUT)

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """The copy with one mutant in it; put back afterwards."""
        path = self.root / mutant.path
        original, stat = path.read_bytes(), path.stat()
        assert original.decode() == mutant.text, f"{mutant.path} is not what the mutant was made of"
        path.write_text(mutant.mutated, encoding="utf-8")
        # Or a compiled module of the same second and size would stand for it.
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 3_000_000_000))
        try:
            yield
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def pytest(
        self, tests: Sequence[str], hang_s: float = HANG_S, *, is_warm: bool = False
    ) -> Outcome:
        """Runs tests until the first one fails; `is_warm`: in a fork that has imported them."""
        self._witness.write_text("")
        arguments = (
            *_OPTIONS,
            *("-o", f"faulthandler_timeout={hang_s}", f"--basetemp={self._temp}"),
            *(f"--witness={self._witness}", *not_asked(self.root), *tests),
        )
        code = self._fork(arguments) if is_warm else self._start(arguments)
        said = self._output.read_text(encoding="utf-8", errors="replace")
        names = self._witness.read_text(encoding="utf-8").splitlines()
        return Outcome(code, tuple(ast.literal_eval(name) for name in names), said)

    def _start(self, arguments: Sequence[str]) -> int | None:
        with self._output.open("wb") as output:
            process = self._process("pytest", arguments, subprocess.DEVNULL, output)
        self._running = process
        code: int | None = None
        try:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(RUN_S_MAX if not self._is_stopped else 0)
        finally:
            self._kill()
            self._running = None
        return code

    def _fork(self, arguments: Sequence[str]) -> int | None:
        self._output.write_text("")
        if self._warm is None or self._warm.poll() is not None:
            self.close()
            options = (*_OPTIONS, *not_asked(self.root))
            pipe = subprocess.PIPE
            self._warm = self._process("tests.mutants.warm", options, pipe, pipe)
        process = self._running = self._warm
        assert process.stdin is not None
        assert process.stdout is not None
        timer = Timer(RUN_S_MAX if not self._is_stopped else 0, self._kill)
        timer.start()
        try:
            process.stdin.write(json.dumps([str(self._output), arguments]).encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        finally:
            timer.cancel()
        return int(answer) if answer else None

    def _process(
        self, module: str, arguments: Sequence[str], source: int, target: IO[bytes] | int
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            (*_PYTHON, module, *arguments),
            cwd=self.root,
            stdin=source,
            stdout=target,
            stderr=subprocess.STDOUT if module == "pytest" else None,
            process_group=0,
        )
        _limit_memory(process.pid)
        return process

    def stop(self) -> None:
        """Ends what runs, from another thread; what is started later ends at once."""
        self._is_stopped = True
        self._kill()

    def close(self) -> None:
        """Ends what waits for more to do."""
        self._kill()
        if self._warm is not None:
            self._warm.communicate()
            self._warm = None

    def _kill(self) -> None:
        """Embedded stores end with the process that started them."""
        process = self._running
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def tree_hash(root: Path) -> str:
    """What the tree's verdicts depend on, in short."""
    digest = hashlib.sha256()
    for path in sorted(found for name in _JUDGES for found in _files(root / name)):
        name = path.relative_to(root).as_posix()
        if not name.startswith("tests/mutants/"):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()[:16]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for found in path.rglob("*"):
        if found.is_file() and "__pycache__" not in found.parts:
            yield found


def _limit_memory(pid: int) -> None:
    """Of the process, and of all that it will start."""
    if sys.platform == "linux":
        import resource

        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
