"""``strongroom dev``: a host that needs nothing. Everything is below one directory, by default a temporary one."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strongroom.cli.caller import Caller, facts
from strongroom.cli.chosen import Set, chosen_flags
from strongroom.cli.verbs import a_path, verb
from strongroom.registry.states import PluginState

if TYPE_CHECKING:
    # Loaded by the command itself: its library is slow to import.
    from strongroom.settings.model import Settings

__all__ = ["Format", "Level", "Manifest", "SocketPath", "add_to"]

SocketPath = Annotated[Path | None, typer.Option("--socket", help="Socket of the API.", metavar="PATH", parser=a_path)]
Manifest = Annotated[
    Path | None, typer.Option("--plugins-file", help="Manifest of plugins.", metavar="FILE", parser=a_path)
]
Level = Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.", metavar="LEVEL")]
Format = Annotated[str | None, typer.Option("--log-format", help="text or json.", metavar="FORMAT")]
_StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", help="Where everything is kept; temporary if not given.", metavar="DIR", parser=a_path),
]


def dev(
    caller: Caller,
    state_dir: _StateDir = None,
    socket: SocketPath = None,
    plugins_file: Manifest = None,
    log_level: Level = None,
    log_format: Format = None,
    assignments: Set = None,
) -> int:
    """Run a host for development until it is interrupted.

    It makes its own keys, and its confidential backend is a process without hardware protection, labelled as such: its
    vault gets a test policy and --insecure-accept-simulated-tee, so that simulations get secrets that are for tests.
    """
    from strongroom.app.memory import loading

    with loading():
        from strongroom.app.daemon import run_daemon
        from strongroom.app.simulation import acts_of
        from strongroom.attest.evidence import INSECURE
        from strongroom.settings.layers import load
        from strongroom.settings.manifest import load_manifest

    named = {
        "state_dir": state_dir,
        "socket": socket,
        "plugins_file": plugins_file,
        "log.level": log_level,
        "log.format": log_format,
    }
    flags = chosen_flags(assignments, named)
    cwd, environ = Path.cwd(), dict(os.environ)
    loaded = load("dev", flags, cwd, environ)
    temporary = None
    if loaded.origins["state_dir"].layer == "built-in":
        temporary = Path(tempfile.mkdtemp(prefix="strongroom-"))
        flags = {**flags, "state_dir": temporary}
        loaded = load("dev", flags, cwd, environ)
    settings = loaded.settings
    state = settings.state_dir
    acts = acts_of(load_manifest(settings.plugins_file), settings.keys_dir)

    def ready(down: Sequence[PluginState]) -> None:
        tell = _exports(state, settings)
        document = {
            "socket": str(settings.socket),
            "admin_socket": str(settings.admin_socket_path),
            "state_dir": str(state),
            "temporary": temporary is not None,
            "pid": os.getpid(),
            "simulation": {"warning": INSECURE, "acts": list(acts)} if acts else None,
            "plugins_down": [{"name": each.name, "error": each.last_error} for each in down],
        }
        state_shown = f"{state} (removed at the end)" if temporary else str(state)
        text = facts(
            [
                ("socket", settings.socket),
                ("admin", settings.admin_socket_path),
                ("state", state_shown),
                ("stop", "Ctrl-C"),
            ]
        )
        first = [
            f"export {tell}",
            "strongroom status",
            "strongroom workflow register FILE.wasm --name hello",
            """strongroom run execute hello --payload '{"who": "x"}'""",
        ]
        hint = "\n".join(f"  {line}" for line in first)
        fence = "\n".join(["", "", INSECURE, *(f"  {act}" for act in acts)]) if acts else ""
        but = f", but {_down(down)}" if down else ""
        caller.emit("ready", document, f"strongroom is ready{but}{fence}\n\n{text}\n\nin another shell:\n{hint}")

    try:
        return run_daemon(
            settings,
            mode="dev",
            ready=ready,
            warnings=loaded.warnings,
            read_again=lambda: load("dev", flags, cwd, environ),
        )
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _exports(state: Path, settings: "Settings") -> str:
    """What another shell needs to reach this host, and to know its vault: `secret set` seals to no other."""
    socket, keys_dir = settings.socket, settings.keys_dir
    is_usual = socket == state / "strongroom.sock"
    variables = {"STRONGROOM_STATE_DIR": state} if is_usual else {"STRONGROOM_SOCKET": socket}
    if settings.admin_socket is not None:
        variables["STRONGROOM_ADMIN_SOCKET"] = settings.admin_socket
    vault_key = keys_dir / "vault.pub"
    # A client looks below the state directory by itself, and a vault that is elsewhere has no key here.
    if vault_key.exists() and not (is_usual and keys_dir == state / "keys"):
        variables["STRONGROOM_VAULT_PUBLIC_KEY_FILE"] = vault_key
    return " ".join(f"{name}={shlex.quote(str(path))}" for name, path in variables.items())


def _down(down: Sequence[PluginState]) -> str:
    """How many plugins are not there, and what is known of each."""
    count = "1 plugin is" if len(down) == 1 else f"{len(down)} plugins are"
    lines = [f"  {each.name}: {each.state}" + (f" · {each.last_error}" if each.last_error else "") for each in down]
    return "\n".join([f"{count} not:", *lines])


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    verb(app, "dev", example="strongroom dev --state-dir ./state", online=False)(dev)
