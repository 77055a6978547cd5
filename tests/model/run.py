"""`make model`: plays random histories for a time, and says what they reached.

Each round is one run of the state machine with a seed of its own, so that a difference can be
played again: `ARGS="--seed 17 --rounds 1"`. Processes play different seeds beside each other.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import sys
import tempfile
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.scenes import Scenes
from tests.model.service import Service
from tests.model.tally import Tally
from tests.model.world import CATALOGS

LEAST, FULL_MINUTES = 100, 20
"""How often a run of at least so many minutes has to reach everything."""


def play(number: int, *, examples: int, steps: int, folder: Path, is_shrunk: bool) -> Tally:
    """One round on a store of its own; raises with the history where the two differ."""
    loop = asyncio.new_event_loop()
    tally = Tally()
    service = Service(folder, CATALOGS)
    loop.run_until_complete(service.start())
    world: dict[str, Any] = {
        "service": service,
        "tally": tally,
        "loop": loop,
        "kills": True,
    }
    machine = seed(number)(type("Played", (Scenes,), world))
    phases = (Phase.generate, Phase.shrink) if is_shrunk else (Phase.generate,)
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                phases=phases,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        for name, times in service.outcomes.items():
            tally.count("outcome", name, times)
        loop.run_until_complete(service.stop())
        loop.close()
    return tally


def _round(words: tuple[int, argparse.Namespace]) -> tuple[int, Tally | None, str]:
    number, args = words
    logging.getLogger("quotasvc.store").setLevel(logging.ERROR)  # histories kill the store
    with tempfile.TemporaryDirectory() as folder:
        try:
            tally = play(
                number,
                examples=args.examples,
                steps=args.steps,
                folder=Path(folder),
                is_shrunk=args.shrink,
            )
        except BaseException:
            return number, None, traceback.format_exc()
    return number, tally, ""


def main() -> None:
    """Rounds until the time is over; exit 1 where the two differ, or a full run missed anything."""
    parser = argparse.ArgumentParser(prog="make model")
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--rounds", type=int, default=0, help="0: until the time is over")
    parser.add_argument("--examples", type=int, default=60, help="histories of one round")
    parser.add_argument("--steps", type=int, default=60, help="steps of one history")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--shrink", action="store_true", help="find the shortest history")
    args = parser.parse_args()
    print(f"seeds from {args.seed}: {args.examples} histories of {args.steps} steps a round")
    total, rounds, failed = _rounds(args)
    print(f"{rounds} rounds; {total.show()}")
    for number in failed:
        print(f"seed {number} differs")
    is_full = args.rounds == 0 and args.minutes >= FULL_MINUTES
    missing = total.missing(LEAST) if is_full else []
    if missing:
        print(f"reached less than {LEAST} times: {'; '.join(missing)}")
    print(f"{rounds - len(failed)} passed, {len(failed)} failed")
    sys.exit(bool(failed or missing))


def _rounds(args: argparse.Namespace) -> tuple[Tally, int, list[int]]:
    """As many rounds at a time as there are jobs; none is begun after the first difference."""
    total, failed, rounds = Tally(), list[int](), 0
    until = time.monotonic() + args.minutes * 60
    number, most = args.seed, args.seed + (args.rounds or 1_000_000)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, context, max_tasks_per_child=1) as pool:
        playing = set[Future[tuple[int, Tally | None, str]]]()
        while True:
            while len(playing) < args.jobs and number < most and not failed:
                if time.monotonic() > until:
                    break
                playing.add(pool.submit(_round, (number, args)))
                number += 1
            if not playing:
                return total, rounds, failed
            done, playing = wait(playing, return_when=FIRST_COMPLETED)
            for one in done:
                rounds += 1
                played, tally, text = one.result()
                if tally is None:
                    failed.append(played)
                    print(text)
                else:
                    total.add(tally)


if __name__ == "__main__":
    main()
