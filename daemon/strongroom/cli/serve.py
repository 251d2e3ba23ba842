"""``strongroom serve``, which is ``strongroomd``: a host under a service manager."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.chosen import Set, chosen_flags
from strongroom.cli.dev import Format, Level, Manifest, SocketPath
from strongroom.cli.verbs import a_path, verb
from strongroom.registry.states import PluginState

__all__ = ["add_to"]

_StateDir = Annotated[Path | None, typer.Option("--state-dir", help="Database and lock.", metavar="DIR", parser=a_path)]


def serve(
    caller: Caller,
    state_dir: _StateDir = None,
    socket: SocketPath = None,
    plugins_file: Manifest = None,
    log_level: Level = None,
    log_format: Format = None,
    assignments: Set = None,
) -> int:
    """Run the host as a service until it is told to stop.

    It reads flags, STRONGROOM_* variables and the system's files only, and never makes keys: without a keyring it does
    not start.
    """
    from strongroom.app.memory import loading

    with loading():
        from strongroom.app.daemon import run_daemon
        from strongroom.settings.layers import load

    named = {
        "state_dir": state_dir,
        "socket": socket,
        "plugins_file": plugins_file,
        "log.level": log_level,
        "log.format": log_format,
    }
    # As they are now: a reload reads files again, and nothing else.
    read = partial(load, "serve", chosen_flags(assignments, named), Path.cwd(), dict(os.environ))
    loaded = read()
    settings = loaded.settings

    def ready(down: Sequence[PluginState]) -> None:
        document = {
            "socket": str(settings.socket),
            "state_dir": str(settings.state_dir),
            "temporary": False,
            "pid": os.getpid(),
            "plugins_down": [{"name": each.name, "error": each.last_error} for each in down],
        }
        # A service has no reader on stdout; its log says that it is ready.
        if caller.json:
            caller.emit("ready", document, "")

    return run_daemon(settings, mode="serve", ready=ready, warnings=loaded.warnings, read_again=read)


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    verb(app, "serve", example="strongroom serve --state-dir /var/lib/strongroom", online=False)(serve)
