"""The metrics of several processes as those of one service, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

LABEL = "worker"
"""Tells the processes apart; what the service itself counts has none."""


def merge(own: bytes, workers: Mapping[str, bytes]) -> bytes:
    """One text: the format wants all lines of a metric together."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for worker, text in (("", own), *workers.items()):
        metric = ""
        for line in text.decode().splitlines():
            if line.startswith("# HELP "):
                metric = line.split(" ", 3)[2]
                heads[metric] = []
            if line.startswith("#"):
                heads[metric].append(line)
            else:
                samples.setdefault(metric, []).append(_labelled(line, worker))
    lines = (line for name in heads for line in (*heads[name], *samples.get(name, ())))
    return "".join(f"{line}\n" for line in lines).encode()


def _labelled(line: str, worker: str) -> str:
    """A sample, as that of one process."""
    if not worker:
        return line
    name, brace, rest = line.partition("{")
    if brace:
        return f'{name}{{{LABEL}="{worker}",{rest}'
    name, _, value = line.partition(" ")
    return f'{name}{{{LABEL}="{worker}"}} {value}'
