"""``strongroom service``: the units of a host and what belongs to them, put in their places and taken away again."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.service_files import DROP_INS, STAYS, UNITS, files
from strongroom.cli.service_programs import bin_dir
from strongroom.cli.service_steps import Step, do, planned, planned_removal
from strongroom.cli.verbs import DryRun, Yes, a_path, group, verb

__all__ = ["app"]

COMMAND_S: Final = 180.0
"""A host that is stopped may drain for two minutes."""
SYSTEMD_RUNS: Final = Path("/run/systemd/system")
CREDENTIAL: Final = "/etc/strongroom/credentials/keyring.cred"
KEYS: Final = (
    "strongroom keys init --key-file /run/strongroom-keyring",
    "strongroom keys export-recovery --key-file /run/strongroom-keyring --recipient-file people.txt --out keyring.age",
    f"systemd-creds encrypt --name=keyring --with-key=host+tpm2 /run/strongroom-keyring {CREDENTIAL}",
    "rm /run/strongroom-keyring",
)
"""How the keys of a new host are made; no command makes them by itself. /run is memory."""
START: Final = "systemctl enable --now strongroom-runner.socket strongroom.service"
STOP: Final = ("systemctl", "disable", "--now", *UNITS)
RELOAD: Final = ("systemctl", "daemon-reload")
MAKE: Final = (
    ("systemd-sysusers", "/usr/lib/sysusers.d/strongroom.conf"),
    ("systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/strongroom.conf"),
)
_Root = Annotated[
    Path | None,
    typer.Option(
        "--root", help="Install below this directory, such as an image, and run nothing.", metavar="R", parser=a_path
    ),
]

app = group("Install the units of a host, and take them away.")


@verb(app, "install", example="sudo strongroom service install", online=False)
def install(caller: Caller, root: _Root = None, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Install the units, the groups, and an example of /etc/strongroom, and print each thing that is done.

    What is as it should be stays, and so does every file in /etc that you changed. No keys are made, and nothing is
    started: the commands for both are shown. It is also the way to upgrade the units.
    """
    base = _base(root, needs_root=not dry_run)
    steps = planned(base, files(bin_dir(root.resolve() if root is not None else None)))
    commands = [] if root is not None else [*MAKE, *([RELOAD] if SYSTEMD_RUNS.is_dir() else [])]
    _carry_out(caller, steps, before=(), after=commands, dry_run=dry_run, question="Install these?", yes=yes)
    caller.note(f"drop-ins for other surroundings are in /{DROP_INS}, each with what it is for")
    if not (base / CREDENTIAL.lstrip("/")).exists():
        caller.note("there are no keys yet; make them as root, once, and keep the recovery file somewhere else:")
        for line in KEYS:
            caller.note(f"  {line}")
    caller.note(f"then: {START}")


@verb(app, "uninstall", example="sudo strongroom service uninstall", online=False)
def uninstall(caller: Caller, root: _Root = None, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Stop the units and take away what `service install` brought.

    The state, the audit log, the keys, the groups and every file that you changed stay where they are.
    """
    base = _base(root, needs_root=not dry_run)
    steps = planned_removal(base, files(Path("/")))
    runs = root is None and SYSTEMD_RUNS.is_dir()
    _carry_out(
        caller,
        steps,
        before=(STOP,) if runs and steps else (),
        after=(RELOAD,) if runs else (),
        dry_run=dry_run,
        question="Stop the service and remove these?",
        yes=yes,
    )
    caller.note(f"this stays: {', '.join(STAYS)}; without the keys the state is lost to everybody")


def _base(root: Path | None, *, needs_root: bool) -> Path:
    """Below what is installed. Raises ``Failure``."""
    if root is not None and not root.is_dir():
        raise bad_data(
            "SR-SVC-008",
            f"{root} is no directory",
            why="--root names what the files are installed below",
            fix="make it first, or leave --root out to install on this machine",
            exit_code=Exit.USAGE,
        )
    if root is None and needs_root and os.geteuid() != 0:
        raise bad_data(
            "SR-SVC-004",
            "only root installs on this machine",
            why="units, groups and /etc belong to root",
            fix="use sudo, look with --dry-run, or name another place with --root",
            exit_code=Exit.PERMISSION,
        )
    return (root or Path("/")).resolve()


def _carry_out(
    caller: Caller,
    steps: Sequence[Step],
    *,
    before: Sequence[Sequence[str]],
    after: Sequence[Sequence[str]],
    dry_run: bool,
    question: str,
    yes: bool,
) -> None:
    """Do it, or show it, and print what was done."""
    has_changes = any(step.changes for step in steps)
    if has_changes and not dry_run:
        for step in steps if not yes else ():
            caller.note(step.line())
        caller.confirm(question, yes=yes)
    first, last = [shlex.join(each) for each in before], [shlex.join(each) for each in after]
    if not dry_run:
        with _readable_by_all():
            first = [line for line in map(_run, before) if line]
            for step in steps:
                do(step)
            last = [line for line in map(_run, after) if line]
    lines = [*map(_running, first), *(step.line() for step in steps), *map(_running, last)]
    document = {"dry_run": dry_run, "steps": [step.document() for step in steps], "commands": [*first, *last]}
    caller.emit("service", document, "\n".join(lines))
    if dry_run:
        caller.note("nothing was changed")


def _running(line: str) -> str:
    return f"{'run':<10}{line}"


@contextmanager
def _readable_by_all() -> Iterator[None]:
    """What is made is for everybody to read, whatever the umask of the shell: the service is another user."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _run(command: Sequence[str]) -> str:
    """The command, run; nothing where the machine has no such program. Raises ``Failure``."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    line = shlex.join(command)
    try:
        ended = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False, timeout=COMMAND_S)
        why = "" if ended.returncode == 0 else (ended.stderr.strip() or f"it ended with {ended.returncode}")
    except subprocess.TimeoutExpired:
        why = f"it took longer than {COMMAND_S:g} s"
    if why:
        raise bad_data(
            "SR-SVC-007",
            f"{line} failed",
            why=why,
            fix="the files are as they should be: run it again by hand, or this command",
            exit_code=Exit.UNAVAILABLE,
        )
    return line
