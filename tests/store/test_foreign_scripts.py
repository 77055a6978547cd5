"""A store whose scripts answer in another shape, as those of another build might: never a guess."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.domain.reservation import Payer
from quotasvc.planes.usage import Subject
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.scripts import Library, ScriptSet, StitchedScript
from quotasvc.store.stitcher import DIGEST, function_name
from quotasvc.store.table import SCRIPTS
from quotasvc.store.usage import LotInfo
from tests.support.clock import Clock
from tests.support.embedded import soon
from tests.support.quota import TEAM, Quota

NONSENSE = (
    "",
    "7, 7, 7, 7",
    "99, 7, 7",
    "1, 2, {{1}}, {}, {}",
    "2, 7, 7, {}, 1, 2, 3",
    "2, 7, 7, {}, 1, 2, 3, {}",
    "1, 7, 7, {{1}}, {}, {}, 0",
)


@pytest.fixture(params=NONSENSE)
async def foreign(
    request: pytest.FixtureRequest, quota: Quota, endpoint: Endpoint, clock: Clock
) -> AsyncIterator[Quota]:
    """A service on the same team, all of whose scripts echo the nonce and then talk nonsense."""
    await quota.team()
    answer = f"{{words[1], {request.param}}}"
    functions = (
        f'redis.register_function("{function_name(script, DIGEST)}", '
        f"function(keys, words) return {answer} end)"
        for script in SCRIPTS
    )
    library = Library.of("\n".join(functions))
    scripts = (StitchedScript.of(script, library) for script in SCRIPTS)
    executor = Executor(endpoint, ScriptSet(scripts), chance=Random(2))
    await executor.start(soon())
    yield Quota(executor, clock)
    await executor.close()


async def test_an_answer_of_no_known_shape_is_corrupt(foreign: Quota) -> None:
    # given one call of each script that answers
    info = LotInfo(origin="x", granted=1, purchase_ms=0, grant_ms=0, expire_ms=None)
    subject = Subject(team_id=TEAM, actor_user_id="ann")
    calls = (
        foreign.reserve(1),
        foreign.remains(),
        foreign.record(1),
        foreign.lots(),
        foreign.usage.balance(subject, foreign.deadline),
        foreign.team(),
        foreign.control.grant_lot(TEAM, Payer.CREDITS, "lot", info, foreign.deadline),
        foreign.control.revoke_lot(TEAM, "lot", foreign.deadline),
        foreign.agenda.enter(TEAM, Payer.CREDITS, foreign.deadline),
        foreign.agenda.book(TEAM, foreign.deadline),
        foreign.decisions.find_reservation(TEAM, "r1", foreign.deadline),
    )
    # then none of them is understood by chance
    for call in calls:
        with pytest.raises(Corrupt, match="no known shape"):
            await call


@pytest.mark.parametrize("foreign", ["25, 7, 7"], indirect=True)
async def test_a_code_that_is_not_the_scripts_own_is_corrupt(foreign: Quota) -> None:
    # given scripts that answer with another one's code
    info = LotInfo(origin="x", granted=1, purchase_ms=0, grant_ms=0, expire_ms=None)
    calls = (
        foreign.reserve(1),
        foreign.control.grant_lot(TEAM, Payer.CREDITS, "lot", info, foreign.deadline),
        foreign.control.revoke_lot(TEAM, "lot", foreign.deadline),
    )
    for call in calls:
        with pytest.raises(Corrupt, match="answered BOOKED"):
            await call
