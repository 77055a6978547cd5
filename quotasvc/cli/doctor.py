"""`quotasvc doctor`."""

from __future__ import annotations

import asyncio
import logging
import time
from random import SystemRandom

from quotasvc.cli import examination
from quotasvc.cli.exit_code import ExitCode
from quotasvc.cli.store_examination import Surroundings, examine_store
from quotasvc.config import ADMIN, LISTEN, Settings
from quotasvc.store.checks import Finding


def examine(settings: Settings) -> ExitCode:
    """Prints all findings; those that need a cure with their cure."""
    # What the parts have to say stands in the findings.
    logging.disable()
    findings = asyncio.run(_findings(settings))
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{_word(finding):<5}{finding.name:<{width}}  {finding.detail}")
        if not finding.ok:
            print(f"{'':<5}{'':<{width}}  -> {finding.cure}")
    return ExitCode.FAILED if any(finding.refuses for finding in findings) else ExitCode.OK


async def _findings(settings: Settings) -> list[Finding]:
    secrets_finding, secrets = examination.secrets(settings.secrets)
    catalog_finding, catalog = examination.catalog(settings.catalog)
    around = Surroundings(
        settings=settings,
        secrets=secrets,
        catalog=catalog,
        clock_ms=lambda: time.time_ns() // 1_000_000,
        chance=SystemRandom(),
    )
    return [
        examination.versions(),
        examination.server(),
        examination.door(),
        examination.data_directory(settings.data),
        secrets_finding,
        catalog_finding,
        *await _service_or_ports(settings),
        *await examine_store(around),
    ]


async def _service_or_ports(settings: Settings) -> list[Finding]:
    service = await examination.service(settings)
    if service is not None:
        return [service]
    return [
        Finding("service", True, "none runs on this data directory"),
        examination.port(LISTEN, settings.listen),
        examination.port(ADMIN, settings.admin),
    ]


def _word(finding: Finding) -> str:
    if finding.ok:
        return "ok"
    return "BAD" if finding.is_fatal else "warn"
