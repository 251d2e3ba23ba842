"""``strongroom-runner``: starts runners for hosts that may not, or should not, start them themselves.

It holds no key, reads no configuration and opens no file of a host. What reaches its socket can have guests executed,
and gets nothing else by it. See docs/runners.md.
"""

import argparse
import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

from strongroom.errors import Misconfigured
from strongroom.guest import executable_memory
from strongroom.guest.starter.doors import Door, InheritedDoor, ListeningDoor, activated, listening_at
from strongroom.guest.starter.serving import Serving
from strongroom.telemetry import logs

__all__ = ["main"]

RUNNERS_SPARE: Final = 32
"""As many more than processors are there unless it is told: a host as shipped has two more, one to compile in, and five
enclave runners."""
RUNNERS_MAX: Final = 1_024
DESCRIPTORS_EACH: Final = 6
"""Of a runner, while it is started: its connection, both ends of its socket, its end, its last words, its directory."""
DESCRIPTORS_OWN: Final = 32
LOG_FORMAT: Final = "STRONGROOM_LOG__FORMAT"
"""The variable that a host reads for the same."""
_LOG: Final = logs.get("runner")
EXIT_CONFIGURATION: Final = 78
"""As in sysexits.h."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve until SIGTERM or SIGINT, or until whoever left a descriptor here is gone. Exits 78 when it cannot."""
    given = _parser().parse_args(arguments)
    logs.configure("info", given.log_format)
    logs.hear_everything()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    try:
        _check_memory()
        _have_descriptors(DESCRIPTORS_OWN + DESCRIPTORS_EACH * given.runners_max)
        with _doors(given.inherited, given.socket) as doors:
            serving = Serving(doors, runners_max=given.runners_max)
            _say_ready(os.environ.pop("NOTIFY_SOCKET", ""))
            serving.run()
    except Misconfigured as problem:
        _LOG.error("%s %s", problem.code, problem.with_fix())
        sys.exit(EXIT_CONFIGURATION)
    sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom-runner",
        description="Starts runners for a host of this machine, at the socket that the service manager opened.",
    )
    parser.add_argument("--socket", type=Path, metavar="PATH", help="listen there, for the own user alone")
    parser.add_argument("--inherited", type=int, metavar="FD", help="serve an inherited end of a pair of sockets")
    parser.add_argument(
        "--runners-max", type=_count, default=_usual(), metavar="N", help="at most at once (default: processors and 32)"
    )
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="json" if os.environ.get(LOG_FORMAT) == "json" else "text",
        help=f"form of its lines, as `log.format` of the host (default: {LOG_FORMAT}, or text)",
    )
    return parser


def _usual() -> int:
    return min(len(os.sched_getaffinity(0)) + RUNNERS_SPARE, RUNNERS_MAX)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= RUNNERS_MAX:
        raise argparse.ArgumentTypeError(f"a whole number in 1..{RUNNERS_MAX}")
    return int(text)


@contextlib.contextmanager
def _doors(inherited: int | None, path: Path | None) -> Iterator[list[Door]]:
    """Raises ``Misconfigured`` when there is none, or one that cannot be served."""
    with contextlib.ExitStack() as opened:
        doors: list[Door] = []
        try:
            from_manager = activated(os.environ)
            if from_manager is not None:
                doors.append(ListeningDoor(opened.enter_context(from_manager)))
            if inherited is not None:
                doors.append(InheritedDoor(opened.enter_context(socket.socket(fileno=inherited))))
            if path is not None:
                doors.append(ListeningDoor(opened.enter_context(listening_at(path))))
        except (ValueError, OSError) as problem:
            raise _cannot_serve(str(problem)) from problem
        if not doors:
            raise _cannot_serve("there is no socket to serve")
        yield doors


def _check_memory() -> None:
    if not executable_memory.can_be_made():
        raise Misconfigured(
            "SR-GUEST-037",
            "runners that are started here could execute nothing",
            why="this process may make no memory executable, and what it starts inherits that",
            fix="remove MemoryDenyWriteExecute from the unit of strongroom-runner; it belongs into that of strongroom",
            where="MemoryDenyWriteExecute",
        )


def _have_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise _cannot_serve(f"it may open {hard} descriptors, and so many runners take {wanted}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say_ready(address: str) -> None:
    """Tell the service manager, where there is one. Source: sd_notify(3)."""
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect("\0" + address[1:] if address.startswith("@") else address)
        manager.send(b"READY=1")


def _cannot_serve(why: str) -> Misconfigured:
    return Misconfigured(
        "SR-GUEST-036",
        "strongroom-runner cannot serve",
        why=why,
        fix="start it from its socket unit, or with --socket PATH",
        where="--socket",
    )
