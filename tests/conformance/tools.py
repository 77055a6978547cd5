"""The public suites: programs of Go, built below .venv, and the messages that one of them speaks.

Nothing of theirs is in the repository. Their protos are compiled where Go keeps its modules.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import grpc_tools
from grpc_tools import protoc

from tests.tidy.sources import ROOT

HOME = ROOT / ".venv" / "conformance"
STUBS = HOME / "stubs"
_ENVIRONMENT = {"GOPATH": str(HOME / "go"), "GOFLAGS": "-mod=mod -modcacherw", "GOBIN": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program of a Go module."""

    module: str
    version: str
    command: str  # its package, below the module

    @property
    def path(self) -> Path:
        """Where its program is."""
        return HOME / "go" / "bin" / Path(self.command).name

    @property
    def sources(self) -> Path:
        """Where Go keeps its module."""
        return HOME / "go" / "pkg" / "mod" / f"{self.module}@{self.version}"

    def install(self) -> Path:
        """Builds the program, unless it is there already; takes minutes the first time."""
        if not (self.path.exists() and self.sources.exists()):
            print(f"Building {self.module}/{self.command}@{self.version}", flush=True)
            package = f"{self.module}/{self.command}@{self.version}"
            environment = {**os.environ, **_ENVIRONMENT}
            subprocess.run(["go", "install", package], env=environment, check=True)
        return self.path


CONNECT = Tool(
    module="connectrpc.com/conformance", version="v1.0.5", command="cmd/connectconformance"
)
GRPC_GO = Tool(module="google.golang.org/grpc", version="v1.80.0", command="interop/client")


def has_go() -> bool:
    """Whether these programs can be built here."""
    return shutil.which("go") is not None


def compile_protos() -> None:
    """Makes Python modules of both services' messages, for this process and those it starts."""
    STUBS.mkdir(parents=True, exist_ok=True)
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    for folder in (CONNECT.sources / "proto", Path(__file__).parent):
        protos = [str(path.relative_to(folder)) for path in folder.rglob("*.proto")]
        includes = [f"-I{folder}", f"-I{well_known}"]
        if protoc.main(["protoc", *includes, f"--python_out={STUBS}", *protos]) != 0:
            raise RuntimeError(f"the protos of {folder} cannot be compiled")


def stubs(name: str) -> ModuleType:
    """A module that `compile_protos` made."""
    if str(STUBS) not in sys.path:
        sys.path.append(str(STUBS))
    __import__(name)
    return sys.modules[name]
