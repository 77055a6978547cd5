"""The command line: what each command takes, and where its work is done.

Commands import what they need when they run, so that --help is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from quotasvc.cli import option
from quotasvc.cli.exit_code import ExitCode
from quotasvc.cli.option import Format, settings_of
from quotasvc.domain.catalog import PeakMode
from quotasvc.domain.faults import Fault

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
demo = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(demo, name="demo", help="The demo teams that `serve --demo` makes.")


def run() -> int:
    """Runs the command that sys.argv names. Whatever is refused is said in one message."""
    try:
        app(prog_name="quotasvc")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.FAILED
    except Fault as fault:
        print(f"quotasvc: {fault.text}", file=sys.stderr)
        from quotasvc.cli.refusal import exit_code

        return exit_code(fault)
    return ExitCode.OK


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from quotasvc.cli.version import installed_version

        print(f"quotasvc {installed_version()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Quota decisions over gRPC: plan windows, prepaid credits, rate limits."""


@app.command()
def serve(
    context: typer.Context,
    listen: option.Listen = None,
    door: option.Door = None,
    workers: option.Workers = None,
    admin: option.Admin = None,
    store: option.Store = None,
    data: option.Data = None,
    catalog: option.Catalog = None,
    secrets: option.Secrets = None,
    demo: option.Demo = None,
    insecure: option.Insecure = None,
    log: option.Log = None,
    deadline_ms: option.DeadlineMs = None,
    drain_ms: option.DrainMs = None,
    memory_mb: option.MemoryMb = None,
    traces: option.Traces = None,
    reflection: option.Reflection = None,
    allow_unsafe_durability: option.AllowUnsafeDurability = None,
    allow_unsafe_version: option.AllowUnsafeVersion = None,
    allow_unread_settings: option.AllowUnreadSettings = None,
) -> None:
    """Start the service; Ctrl-C or SIGTERM stops it.

    Each option can be set by the variable in brackets, too.
    """
    from quotasvc.cli.serve import run_service

    run_service(settings_of(context.params))


@demo.command("keys")
def demo_keys(
    context: typer.Context,
    format: Annotated[Format, typer.Option(help="How to print them.")] = Format.TABLE,
    data: option.Data = None,
    secrets: option.Secrets = None,
) -> None:
    """Print the demo's API keys, and what each one shows.

    They derive from the secrets of the data directory; the service need not run.
    """
    from quotasvc.cli.demo_keys import print_keys

    print_keys(settings_of({"data": data, "secrets": secrets}), format)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A catalog.")],
) -> None:
    """Check a catalog: print every problem with its place, or what the catalog holds."""
    from quotasvc.cli.check import check_catalog

    raise typer.Exit(check_catalog(file))


@app.command()
def doctor(
    context: typer.Context,
    listen: option.Listen = None,
    admin: option.Admin = None,
    store: option.Store = None,
    data: option.Data = None,
    catalog: option.Catalog = None,
    secrets: option.Secrets = None,
) -> None:
    """Look for what could be wrong, whether the service runs or not; each finding with its cure."""
    from quotasvc.cli.doctor import examine

    raise typer.Exit(examine(settings_of(context.params)))


@app.command()
def peak(
    mode: Annotated[PeakMode | None, typer.Argument(help="What to switch to.")] = None,
    store: option.Store = None,
    data: option.Data = None,
) -> None:
    """Show how peak hours are switched, or switch them: by the schedule, always on, or off.

    The switch is kept in the store and holds for every service of it, at once or when it starts.
    """
    from quotasvc.cli.peak import show_or_switch

    show_or_switch(settings_of({"store": store, "data": data}), mode)
