"""Small files that only their owner may read, written so that a crash leaves all or nothing."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from quotasvc.domain.faults import Fault


class FileFault(Fault):
    """A file beside the store that will not do; the text says which, why, and what would."""


def read_private(path: Path) -> str | None:
    """The text; None if there is no such file. Refused if others could have read it too."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise FileFault(f"{path} can be read by others (mode {mode:o}): chmod 600 {path}")
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FileFault(f"{path} cannot be read: {error}") from None


def create_private(path: Path, text: str) -> bool:
    """Writes a new file; False if somebody else was first."""
    draft = _draft(path, text)
    try:
        # Unlike a rename, a link never replaces what is there.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_directory(path.parent)
    return True


def replace_private(path: Path, text: str) -> None:
    """Writes the file, in place of an older one if there is one."""
    _draft(path, text).replace(path)
    _sync_directory(path.parent)


def _draft(path: Path, text: str) -> Path:
    """A synced file of mode 600 beside `path`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return Path(name)


def _sync_directory(path: Path) -> None:
    """Makes the new name last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
