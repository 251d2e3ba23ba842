"""``strongroom workflow simulate``: a workflow without a host, under the limits of one."""

from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller, read_file
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import verb

__all__ = ["add_to"]

BINARY_BYTES_MAX: Final = 100_000_000
SECRETS_BYTES_MAX: Final = 1_000_000
TRIGGER_MAX: Final = 1_000_000

_File = Annotated[Path, typer.Argument(help="Wasm file: raw, brotli, or base64 of brotli.", metavar="WASM")]
_Trigger = Annotated[int, typer.Option("--trigger", help="Which trigger of the workflow.", min=0, max=TRIGGER_MAX)]
_Payload = Annotated[
    str | None, typer.Option("--payload", help="What the trigger carries: JSON, @file or - for stdin.")
]
_Config = Annotated[str, typer.Option("--config", help="Config for the guest: text, @file or - for stdin.")]
_Attributes = Annotated[str, typer.Option("--attributes", help="Attributes: JSON, @file or - for stdin.")]
_Mock = Annotated[Path | None, typer.Option("--mock", help="YAML or JSON file with answers.", metavar="FILE")]
_Env = Annotated[
    str,
    typer.Option("--env", "-e", "--secret-file", help="Secrets: a file of KEY=value, or - for stdin.", metavar="FILE"),
]
_Limits = Annotated[
    str, typer.Option("--limits", help="default, or a file that `workflow limits export` wrote.", metavar="FILE")
]


def simulate(
    caller: Caller,
    file: _File,
    trigger: _Trigger = 0,
    payload: _Payload = None,
    config: _Config = "",
    attributes: _Attributes = "",
    mock: _Mock = None,
    env: _Env = "",
    limits: _Limits = "default",
) -> int | None:
    """Run a workflow once without a host, in the same sandbox and under the same limits.

    Capabilities answer from the mock file, secrets come from a file; nothing leaves this machine. With --attributes the
    guest gets only the secrets that they list, as on a host; without, all of the file. What a host or an enclave would
    refuse is said. The exit code is 1 when the run failed.
    """
    from strongroom.cli.simulation_view import document, text
    from strongroom.modules.attributes import parse_attributes
    from strongroom.testing.enclave_warnings import warnings_of
    from strongroom.testing.mocks import Mocks
    from strongroom.testing.simulation import Wish, simulate
    from strongroom.testing.simulation_files import limits_of, secrets_of

    wish = Wish(
        binary=read_file("WASM", file, bytes_max=BINARY_BYTES_MAX),
        name=file.name.split(".")[0],
        config=caller.read("--config", config),
        attributes=parse_attributes(caller.read("--attributes", attributes)),
        has_attributes=bool(attributes),
        trigger=trigger,
        payload=b"" if payload is None else caller.read_json("--payload", payload),
        mocks=Mocks.of_file(mock),
        secrets=secrets_of(_secret_lines(caller, env)),
        limits=limits_of(limits),
    )
    done = simulate(wish)
    warnings = warnings_of(wish, done)
    shown = document(wish, done, warnings)
    caller.emit("simulation", shown, text(shown))
    for warning in warnings:
        caller.note(f"warning: {warning}")
    if shown["missing_mocks"]:
        caller.note("these calls had no mock; put this into the file of --mock and fill it in:")
        for line in shown["missing_mocks"].splitlines():
            caller.note(line)
    return Exit.RUN_FAILED if done.failure else None


def _secret_lines(caller: Caller, env: str) -> bytes:
    """A secret is never an argument, so what is given here is always the name of a file, or stdin."""
    if not env:
        return b""
    if env == "-":
        return caller.read_stdin("--env", bytes_max=SECRETS_BYTES_MAX)
    path = Path(env.removeprefix("@"))
    if "=" in env and not path.exists():
        # What was typed is not repeated: it is most likely a secret.
        raise bad_data(
            "SR-CLI-038",
            "--env takes the name of a file",
            why="arguments are shown to other processes and kept by shells, so secrets are never among them",
            fix="pipe them in: printf 'KEY=value\\n' | strongroom workflow simulate FILE --env -",
        )
    return read_file("--env", path, bytes_max=SECRETS_BYTES_MAX)


def add_to(app: typer.Typer) -> None:
    """Add the command to the noun ``workflow``."""
    example = (
        'strongroom workflow simulate prices.wasm --payload \'{"pair": "ETH-USD"}\' --mock mocks.yaml --env secrets.env'
    )
    verb(app, "simulate", example=example, online=False)(simulate)
