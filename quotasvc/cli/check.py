"""`quotasvc check FILE`."""

from __future__ import annotations

from pathlib import Path

from quotasvc.catalog import CatalogFault, load_catalog
from quotasvc.cli.exit_code import ExitCode
from quotasvc.config import SettingsFault


def check_catalog(path: Path) -> ExitCode:
    """Prints all problems as file:line:column, or what the catalog holds and its notes."""
    try:
        catalog = load_catalog(path)
    except OSError as error:
        raise SettingsFault(f"{path} cannot be read: {error.strerror}") from None
    except CatalogFault as fault:
        print(fault.text)
        count = len(fault.problems)
        print(f"{count} problem{'' if count == 1 else 's'}")
        return ExitCode.REFUSED
    for note in catalog.notes:
        print(f"{path}: note: {note}")
    print(
        f"{path}: fine: {catalog.label}, version {catalog.version}, "
        f"{len(catalog.plans)} plans, {len(catalog.resources)} resources"
    )
    return ExitCode.OK
