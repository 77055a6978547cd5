"""The directory of an embedded store: who may use it, and what lies where.

One service at a time holds the lock, from before its server starts until after it has ended: two
servers on one directory would both start silently and write the same log. Knows files; does not
know the server.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from quotasvc.store.faults import StoreNotStarted

SOCKET_PATH_BYTES_MAX = 103
"""What every kernel takes: macOS 103 and Linux 107, less the final zero byte."""


class DataDirectory:
    """The files of one embedded store, and the lock on them."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.pid_file = self.path / "valkey.pid"
        self.log_file = self.path / "valkey.log"
        self.socket_path = _socket_path(self.path)
        self._lock_file = self.path / "service.lock"
        self._lock: int | None = None

    def acquire(self) -> None:
        """Creates the directory if it is new and locks it, or says why it cannot be used."""
        lock = self._open_lock_file()
        with ExitStack() as undo:
            undo.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 32).decode() or "unknown"
                raise StoreNotStarted(
                    f"{self.path} is in use by process {holder}: stop it or use another directory"
                ) from None
            os.ftruncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
            if self._has_socket_elsewhere:
                _make_private(self.socket_path.parent)
            undo.pop_all()
        self._lock = lock

    def release(self) -> None:
        """Lets the next service have it. The lock file stays: removing it would race."""
        if self._lock is None:
            return
        if self._has_socket_elsewhere:
            # A killed server leaves its socket there.
            with suppress(OSError):
                self.socket_path.parent.rmdir()
        os.close(self._lock)
        self._lock = None

    def open_log(self) -> BinaryIO:
        """The server's log, for appending; only we can read it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.fdopen(os.open(self.log_file, flags, 0o600), "ab")

    def log_tail(self, lines: int = 12) -> str:
        """The last lines of the server's log, once it was opened."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    @property
    def _has_socket_elsewhere(self) -> bool:
        return self.socket_path.parent != self.path

    def _open_lock_file(self) -> int:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreNotStarted(f"{self.path} cannot be used: {error}") from error


def _socket_path(directory: Path) -> Path:
    """In the directory itself; below the system's temporary one where that path is too long."""
    path = directory / "valkey.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        # The name is the directory's, so that every process of one service finds the same.
        name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"quotasvc-{os.geteuid()}-{name}" / path.name
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise StoreNotStarted(f"{path} is too long for a socket: set TMPDIR to a shorter path")
    return path


def _make_private(directory: Path) -> None:
    """Creates a directory that only we can enter; refuses one that another user laid out."""
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if found.st_uid != os.geteuid() or not is_private:
        raise StoreNotStarted(f"{directory} is not a directory that only we can enter: remove it")
