"""The README's commands print what the README says they print."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quotasvc.doors.envoy import why_not
from tests.support.readme import blocks, missing, steps
from tests.support.service import Service

ROOT = Path(__file__).parents[2]
PORT_OF_README = "127.0.0.1:50051"

# grpcurl comes from the Go proxy and takes two minutes to build; `buf curl`, which is among the
# development tools, speaks the same protocol by the same reflection.
GRPCURL = """\
#!/bin/sh
# grpcurl -plaintext -d DATA ADDRESS METHOD, as the README calls it
[ "$1 $2" = "-plaintext -d" ] || exit 64
exec "{buf}" curl --protocol grpc --http2-prior-knowledge -d "$3" "http://$4/$5"
"""


@pytest.fixture
def tools(tmp_path: Path) -> str:
    """A PATH that has grpcurl: the real one where it is installed."""
    path = os.environ["PATH"]
    if shutil.which("grpcurl") is None:
        stand_in = tmp_path / "bin" / "grpcurl"
        stand_in.parent.mkdir()
        stand_in.write_text(GRPCURL.format(buf=Path(sys.executable).with_name("buf")))
        stand_in.chmod(0o755)
        path = f"{stand_in.parent}:{path}"
    return path


def run(command: str, folder: Path, environment: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Runs one command as a shell that keeps its variables; what it printed, and those."""
    script = f"set -e\n{command}\nenv -0 >environment"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    kept = (folder / "environment").read_text().split("\0")
    return done.stdout, dict(line.split("=", 1) for line in kept if line)


def test_every_command_of_the_readme_prints_what_it_says(
    service: Service, tmp_path: Path, tools: str
) -> None:
    # given the service of `make run`, with its data where this test wants it
    service.start()
    address = str(service.presence["listen"])
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    environment = {
        **os.environ,
        "PATH": tools,
        "QUOTASVC_DATA": str(service.data),
        "PYTHONPATH": str(ROOT),
    }
    # when its commands are pasted one after the other
    commands = 0
    for step in steps():
        command = step.command.replace(PORT_OF_README, address)
        # Connect comes with Envoy, and curl with the machine.
        if command.startswith("curl") and (why_not() or not shutil.which("curl")):
            continue
        # `export` what plain assignments set: each command runs in a shell of its own
        printed, environment = run(f"set -a\n{command}", tmp_path, environment)
        # then each prints what stands below it
        assert missing(step, printed) is None, f"{command}\n{printed}"
        commands += 1
    assert commands > 10
    # and so do its Python lines
    program = blocks("python")[0].replace(PORT_OF_README, address)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == blocks("text")[0]
