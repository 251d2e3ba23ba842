"""``strongroom top``: what a host does, on one screen that is drawn anew every few seconds.

Rule 1: it only asks what ``status``, ``plugin list`` and ``run list`` ask; contents stay sealed.
Rule 2: a terminal gets its screen back as it was, however this ends.
"""

import os
import select
import shutil
import sys
import termios
import textwrap
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from strongroom.cli.caller import Caller, facts, table
from strongroom.cli.verbs import verb
from strongroom.telemetry.redaction import printable

__all__ = ["add_to"]

RUNS_MAX: Final = 200
"""Runs of one look; a screen shows as many as it has lines for."""
LINES_WITHOUT_TERMINAL: Final = 40
WORDS_MIN: Final = 20
"""Of a line that goes on below, on a terminal that is narrower than anybody's."""
ENDS: Final = b"qQ\x04"
"""Keys that end it: q, and Ctrl-D."""
KEYS_BYTES_MAX: Final = 1_024
FINAL: Final = ("completed", "failed", "cancelled", "timed_out", "killed")
SHOWN: Final = "\x1b[?1049h\x1b[?25l"
HIDDEN: Final = "\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H\x1b[J"


@dataclass(frozen=True, slots=True)
class Look:
    """What was found at one time, which is on the monotonic clock."""

    at_s: float
    status: Mapping[str, Any]  # Any: JSON
    plugins: Sequence[Mapping[str, Any]]
    runs: Sequence[Mapping[str, Any]]

    @property
    def ended(self) -> int:
        """Runs that have ended so far and are kept."""
        counts: Mapping[str, int] = self.status["runs"]
        return sum(count for name, count in counts.items() if name in FINAL)


def top(
    caller: Caller,
    interval_s: Annotated[
        float, typer.Option("--interval", help="Seconds between two looks.", min=0.2, max=3600.0, metavar="S")
    ] = 2.0,
    count: Annotated[int, typer.Option("--count", help="How many looks; 0 goes on until q or Ctrl-C.", min=0)] = 0,
) -> None:
    """Show what the host does, again and again, until q or Ctrl-C: runs, queue, room, plugins.

    Without a terminal it looks once, or --count times. With --json each look is a line.
    """
    from strongroom.cli.channel import connect

    is_live = sys.stdout.isatty() and not caller.json
    looks = count or (0 if is_live or caller.json else 1)
    with connect(caller) as host, _screen(is_live=is_live):
        before: Look | None = None
        for look in _looks(caller, host, interval_s, looks, pause=pause if is_live else _sleep):
            rate = _rate(before, look)
            before = look
            document = {**look.status, "runs_ended_per_s": rate, "plugins": look.plugins, "newest_runs": look.runs}
            if caller.json:
                caller.emit_line("top", document, "")
                continue
            columns, lines = shutil.get_terminal_size() if is_live else (0, LINES_WITHOUT_TERMINAL)
            text = screen(look, rate, lines=lines, columns=columns)
            sys.stdout.write((HOME if is_live else "") + text + ("" if is_live else "\n"))
            sys.stdout.flush()


def _looks(
    caller: Caller,
    host: Any,  # Any: a channel's host
    interval_s: float,
    count: int,
    *,
    pause: Callable[[float], bool],
) -> Iterator[Look]:
    done = 0
    while True:
        yield _look(caller, host)
        done += 1
        if done == count or not pause(interval_s):
            return


def _sleep(interval_s: float) -> bool:
    time.sleep(interval_s)
    return True


def pause(interval_s: float) -> bool:
    """Wait for the next look, and for a key meanwhile; whether there is to be one. Standard input that has come to its
    end has no keys."""
    until_s = time.monotonic() + interval_s
    while (left_s := until_s - time.monotonic()) > 0:
        if not sys.stdin.isatty():
            return _sleep(left_s)
        heard, _, _ = select.select([sys.stdin], [], [], left_s)
        if not heard:
            continue
        pressed = os.read(sys.stdin.fileno(), KEYS_BYTES_MAX)
        if not pressed or any(key in ENDS for key in pressed):
            return False
    return True


def _look(caller: Caller, host: Any) -> Look:  # Any: as above
    from strongroom.cli import views
    from strongroom.cli.channel import find_socket
    from strongroom.cli.host_view import document_of
    from strongroom.pb.strongroom.v1 import plugin_pb2, run_pb2, status_pb2
    from strongroom.pb.strongroom.v1.plugin_pb2_grpc import PluginServiceStub
    from strongroom.pb.strongroom.v1.run_pb2_grpc import RunServiceStub
    from strongroom.pb.strongroom.v1.status_pb2_grpc import StatusServiceStub

    status = host.call(host.stub(StatusServiceStub).Get, status_pb2.StatusServiceGetRequest())
    plugins = host.call(host.stub(PluginServiceStub).List, plugin_pb2.PluginServiceListRequest()).plugins
    runs = host.call(host.stub(RunServiceStub).List, run_pb2.RunServiceListRequest(page_size=RUNS_MAX)).runs
    return Look(
        time.monotonic(),
        document_of(status, find_socket(caller)),
        [
            {"name": each.name, "state": each.state, "restarts": each.restarts, "last_error": each.last_error}
            for each in plugins
        ],
        [views.run(header) for header in runs],
    )


def _rate(before: Look | None, now: Look) -> float | None:
    """Runs that ended in a second since the look before; nothing at the first one. Those removed since count against
    it, so it is never below zero."""
    if before is None or now.at_s <= before.at_s:
        return None
    return round(max(now.ended - before.ended, 0) / (now.at_s - before.at_s), 1)


def screen(look: Look, rate: float | None, *, lines: int, columns: int = 0) -> str:
    """One screen of at most ``lines`` lines. What does not fit into ``columns`` goes on below, of facts of the
    host, and is cut in the tables; 0 is no bound."""
    from strongroom.cli.host_view import reason_lines
    from strongroom.cli.sizes import size

    status = look.status
    going = ", ".join(f"{count} {name}" for name, count in status["runs"].items() if count and name not in FINAL)
    queued = f"{status['runs_queued']} wait for a runner"
    oldest = f", the oldest for {status['oldest_queued_ms'] / 1000:.1f} s" if status["runs_queued"] else ""
    free = status["disk_free_bytes"]
    room = [f"memory {size(status['host_memory_bytes'])} host, {size(status['runners_memory_bytes'])} runners"]
    room += [f"disk {size(free)} free"] if free is not None else []
    room += ["THE DISK IS FULL: read-only"] if status["disk_is_low"] else []
    problems = [*status["audit_problems"], *status["workspace_problems"], *status["trigger_problems"]]
    problems.append(status["reload_problem"])
    head = facts(
        [
            ("host", f"strongroom {status['version']}, {status['state']}, {status['health']}, {status['mode']}"),
            *reason_lines(status["health_reasons"]),
            ("runs", f"{going or 'none under way'}; {queued}{oldest}"),
            ("ended", f"{look.ended} kept" + (f", {rate:g} a second" if rate is not None else "")),
            ("room", ", ".join(room)),
            ("PROBLEMS", "; ".join(each for each in problems if each)),
        ]
    )
    head = "\n".join(_wrapped(line, columns) for line in head.split("\n")) if columns else head
    plugins = table(
        ["PLUGIN", "STATE", "RESTARTS", "LAST ERROR"],
        [[each["name"], each["state"], each["restarts"], each["last_error"][:60]] for each in look.plugins],
    )
    rows = [
        [each["run_id"], each["status"], each.get("workflow_name", ""), each.get("module", ""), _time(each)]
        for each in look.runs
    ]
    text = f"{head}\n\n{plugins}\n\n" if look.plugins else f"{head}\n\n"
    left = max(lines - text.count("\n") - 2, 1)
    runs = table(["RUN", "STATUS", "WORKFLOW", "MODULE", "CREATED"], rows[:left]) if rows else "no runs yet"
    shown = [printable(line) for line in (text + runs).split("\n")[: max(lines - 1, 1)]]
    return "\n".join(line[:columns] if columns else line for line in shown)


def _wrapped(line: str, columns: int) -> str:
    indent = " " * (len(line) - len(line.partition(": ")[2].lstrip()))
    return textwrap.fill(line, max(columns, len(indent) + WORDS_MIN), subsequent_indent=indent)


def _time(run: Mapping[str, Any]) -> str:  # Any: JSON
    return (run.get("create_time") or "")[:19].replace("T", " ")


@contextmanager
def _screen(*, is_live: bool) -> Iterator[None]:
    if not is_live:
        yield
        return
    before = _keys_at_once()
    sys.stdout.write(SHOWN)
    try:
        yield
    finally:
        sys.stdout.write(HIDDEN)
        sys.stdout.flush()
        if before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _keys_at_once() -> list[Any] | None:  # Any: as the library has it
    """Have the terminal hand over each key as it is pressed, and not show it; how it was before. Ctrl-C stays what it
    is."""
    if not sys.stdin.isatty():
        return None
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    return before


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    verb(app, "top", example="strongroom top --interval 5")(top)
