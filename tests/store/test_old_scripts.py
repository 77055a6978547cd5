"""What older releases left in a store is found, and nothing else is taken for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.store.endpoint import Endpoint
from quotasvc.store.old_scripts import old_scripts
from quotasvc.store.scripts import ScriptSet, load_scripts
from quotasvc.store.table import BOOK, DUE
from tests.support.embedded import connected, soon

OLDER = replace(BOOK, constants={**BOOK.constants, "OLDER": {"release": 1}}, flags=())

FOREIGN = "#!lua name=other\nredis.register_function('other', function() return 1 end)"


def names(scripts: ScriptSet) -> set[str]:
    """What the libraries of these are called."""
    return {library.name for library in scripts.libraries}


@pytest.mark.parametrize(("most", "is_ok"), [(1, True), (0, False)])
async def test_scripts_of_another_release_are_found(
    store: Endpoint, monkeypatch: pytest.MonkeyPatch, *, most: int, is_ok: bool
) -> None:
    # given a store with this release's scripts, an older release's, and somebody else's
    monkeypatch.setattr("quotasvc.store.old_scripts.OLD_MAX", most)
    current, older = load_scripts([BOOK, DUE]), load_scripts([OLDER])
    async with connected(store, older) as _, connected(store, current) as executor:
        await executor.call("FUNCTION", "LOAD", FOREIGN, deadline=soon())
        # when they are looked for, then the older one is told, by the name that it is deleted by
        finding = await old_scripts(executor, names(current), soon())
        [name] = names(older)
        assert (finding.ok, finding.refuses) == (is_ok, False)
        assert (finding.detail, finding.cure.endswith(f": {name}")) == ("1 of other releases", True)
        await executor.call("FUNCTION", "DELETE", name, deadline=soon())
        assert (await old_scripts(executor, names(current), soon())).ok


async def test_a_store_that_does_not_list_its_scripts_is_no_worse(store: Endpoint) -> None:
    # given a user who may not list functions, as on managed stores
    async with connected(store) as executor:
        rights = ("on", ">secret", "~*", "+@all", "-function|list")
        await executor.call("ACL", "SETUSER", "blind", *rights, deadline=soon())
        login = replace(store, username="blind", password="secret")
        async with connected(login) as blind:
            finding = await old_scripts(blind, (), soon())
        await executor.call("ACL", "DELUSER", "blind", deadline=soon())
    assert (finding.ok, finding.detail) == (True, "could not be read")
