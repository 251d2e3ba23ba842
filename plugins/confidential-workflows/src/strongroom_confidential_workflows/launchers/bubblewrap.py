"""Launcher ``bubblewrap``: a runner in namespaces of its own, where there is nothing but its program.

It sees the system's libraries, the interpreter, its packages and the device of its evidence, nothing of these for
writing but the device; no network but an unused loopback, no process but its own, no user but nobody, no capability.
Inside it seals itself off as every runner does. When the tool or the kernel cannot do this, no runner is started: the
next best launcher is never taken. Source: contracts/attestation.md 20.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from strongroom.attest.measurement import RUNNER_PACKAGES
from strongroom.plugin import Misconfigured, Unavailable
from strongroom_confidential_workflows.launchers.process import runner_command
from strongroom_confidential_workflows.launchers.runner import STATEMENT
from strongroom_confidential_workflows.messages import Configure, encode
from strongroom_confidential_workflows.providers.choice import device_of
from strongroom_confidential_workflows.runner_process import RunnerProcess

__all__ = ["NAME", "BubblewrapStarter", "wrapped"]

NAME: Final = "bubblewrap"
PROGRAM: Final = "bwrap"
SYSTEM: Final = Path("/usr")
LIBRARIES: Final = tuple(map(Path, ("/lib", "/lib32", "/lib64")))
"""Where the loader of programs looks; on most machines these are links into ``/usr``."""
ISOLATION: Final = (
    *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"),
    *("--cap-drop", "ALL", "--uid", "65534", "--gid", "65534"),
    *("--clearenv", "--setenv", "LC_ALL", "C.UTF-8", "--chdir", "/"),
)


class BubblewrapStarter:
    """Starts them. Raises ``Misconfigured`` when bubblewrap is not installed."""

    name = NAME
    statement = STATEMENT
    protections: tuple[str, ...] = ("namespaces",)

    def __init__(self, configure: Callable[[], Configure]) -> None:
        """``configure`` gives the first message for each runner."""
        self._program = found_program()
        self._configure = configure

    def start(self) -> RunnerProcess:
        """See ``Starter``."""
        configuration = self._configure()
        device = device_of(configuration.evidence_kind, configuration.device)
        return RunnerProcess(
            lambda descriptor: wrapped(self._program, device, descriptor), encode(configuration), failure=_no_sandbox
        )


def found_program() -> str:
    """Where bubblewrap is. Raises ``Misconfigured`` when it is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise Misconfigured(
            "SR-ENCL-020",
            f"launcher {NAME} needs the program {PROGRAM}",
            why="it is not on the path",
            fix="install the package bubblewrap, or configure the launcher that this machine can do",
            where="launcher",
        )
    return program


def wrapped(program: str, device: Path | None, *descriptors: int) -> list[str]:
    """The command of a runner inside of bubblewrap, with the device of its evidence where there is one."""
    command = [program, *ISOLATION, "--ro-bind", str(SYSTEM), str(SYSTEM)]
    for path in LIBRARIES:
        if path.is_symlink():
            command += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            command += ["--ro-bind", str(path), str(path)]
    runtime = _runtime()
    for path in runtime:
        command += ["--ro-bind", str(path), str(path)]
    for link in _links(Path(sys.executable)):
        if not any(link.is_relative_to(outer) for outer in (SYSTEM, *runtime)):
            command += ["--symlink", str(link.readlink()), str(link)]
    command += ["--proc", "/proc", "--dev", "/dev"]
    if device is not None and device.exists():  # a missing one is for the runner to report, which knows what to do
        command += ["--dev-bind", str(device), str(device)]
    return [*command, "--remount-ro", "/", "--", *runner_command(*descriptors)]


def _runtime() -> list[Path]:
    """The directories of interpreter and packages that are not in another one, outermost first."""
    bound: list[Path] = []
    for path in sorted(set(_runtime_paths())):
        if not any(path.is_relative_to(outer) for outer in (SYSTEM, *bound)):
            bound.append(path)
    return bound


def _runtime_paths() -> Iterator[Path]:
    for prefix in (sys.prefix, sys.base_prefix, sys.base_exec_prefix):
        yield from (Path(prefix), Path(prefix).resolve())
    for package in RUNNER_PACKAGES:
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            root = Path(spec.origin).parent
            yield root
            # In a checkout a part of a package is a link out of it, and is measured with the rest.
            yield from (part.resolve() for part in root.iterdir() if part.is_symlink())


def _links(program: Path) -> Iterator[Path]:
    """The links on the way to ``program``: an interpreter is often one to another, and each has to be there."""
    while program.is_symlink():
        yield program
        program = program.parent / program.readlink()


def _no_sandbox(why: str) -> Unavailable:
    return Unavailable(
        "SR-ENCL-021",
        "no enclave runner could be started in namespaces of its own",
        why=why,
        fix="let this user make user namespaces (kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor),"
        " or configure another launcher; none is taken by itself",
    )
