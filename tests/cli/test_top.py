"""The screen of ``strongroom top``."""

import os
import pty
import select
import subprocess
import termios
import time

import pytest

from strongroom.cli.top import Look, _rate, screen
from tests.fakes.daemon import running
from tests.fakes.program import DEADLINE_S, PROGRAM

STATUS = {
    "version": "0.1.0",
    "state": "ready",
    "health": "ok",
    "mode": "serve",
    "runs": {"completed": 5, "failed": 1, "running": 2, "waiting": 0},
    "runs_queued": 3,
    "oldest_queued_ms": 1500,
    "disk_free_bytes": 2_000_000_000,
    "disk_is_low": False,
    "host_memory_bytes": 130_000_000,
    "runners_memory_bytes": 40_000_000,
    "audit_problems": [],
    "workspace_problems": [],
    "trigger_problems": [],
    "reload_problem": "",
    "health_reasons": [],
}
PLUGIN = {"name": "vault", "state": "ready", "restarts": 2, "last_error": ""}
RUN = {
    "run_id": "wrun_1",
    "status": "running",
    "workflow_name": "echo",
    "module": "local",
    "create_time": "2026-01-31T10:00:00.123Z",
}


def look(at_s=10.0, runs=(RUN,), **changes):
    return Look(at_s, {**STATUS, **changes}, [PLUGIN], list(runs))


def test_one_screen_says_what_goes_on():
    text = screen(look(), 2.5, lines=40)
    assert "2 running; 3 wait for a runner, the oldest for 1.5 s" in text
    assert "6 kept, 2.5 a second" in text
    assert "memory 130.0 MB host, 40.0 MB runners, disk 2.0 GB free" in text
    assert "PROBLEMS" not in text
    assert "wrun_1  running  echo      local   2026-01-31 10:00:00" in text


def test_problems_are_in_capitals():
    text = screen(look(disk_is_low=True, audit_problems=["it takes no record"]), None, lines=40)
    assert "THE DISK IS FULL" in text
    assert "PROBLEMS: it takes no record" in text.replace("  ", " ")


def test_why_a_host_is_not_quite_well_is_told_in_the_words_of_readiness():
    reason = {"check": "vault", "effect": "degraded", "why": "it cannot be reached", "fix": "see that it runs"}
    full = {"check": "disk", "effect": "read_only", "why": "there is no room left", "fix": "make room"}
    text = screen(look(health_reasons=[reason, full]), None, lines=40)
    assert "DEGRADED:  vault: it cannot be reached; see that it runs" in text
    assert "READ-ONLY: disk: there is no room left; make room" in text


@pytest.mark.parametrize("columns", [1, 40, 80])
def test_a_long_reason_goes_on_below_and_no_line_is_wider_than_the_terminal(columns):
    reason = {"check": "vault", "effect": "degraded", "why": "it cannot be reached " * 9, "fix": "see that it runs"}
    text = screen(look(health_reasons=[reason]), None, lines=40, columns=columns)
    assert max(len(line) for line in text.split("\n")) <= columns
    if columns == 80:
        assert "see that it runs" in " ".join(text.split())


@pytest.mark.parametrize("lines", [5, 10, 24])
def test_a_screen_has_no_more_lines_than_the_terminal(lines):
    text = screen(look(runs=[RUN] * 100), None, lines=lines)
    assert text.count("\n") + 1 <= lines


def test_nothing_that_is_shown_is_obeyed_by_the_terminal():
    text = screen(look(runs=[{**RUN, "workflow_name": "\x1b]0;owned\x07"}]), None, lines=40)
    assert "\x1b" not in text


def test_a_rate_is_of_two_looks():
    assert _rate(None, look()) is None
    assert _rate(look(8.0), Look(10.0, {**STATUS, "runs": STATUS["runs"] | {"completed": 9}}, [], [])) == 2.0


def read_until(terminal, text):
    """What a terminal shows, up to ``text``; all of it where nothing more comes."""
    seen, until_s = b"", time.monotonic() + DEADLINE_S
    while text not in seen and select.select([terminal], [], [], until_s - time.monotonic())[0]:
        seen += os.read(terminal, 65_536)
    return seen


@pytest.mark.parametrize("key", [b"q", b"Q", b"\x04"], ids=["q", "Q", "Ctrl-D"])
def test_a_key_ends_it_at_once_and_the_terminal_is_as_it_was(tmp_path, key):
    terminal, inside = pty.openpty()
    before = termios.tcgetattr(inside)
    socket = tmp_path / "s.sock"
    command = [*PROGRAM, "top", "--interval", "3600", "--socket", str(socket)]
    with running(socket):
        process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside)
        shown = read_until(terminal, b"no runs yet")
        os.write(terminal, b"x")
        os.write(terminal, key)
        shown += read_until(terminal, b"\x1b[?1049l")
        code = process.wait(DEADLINE_S)
    after = termios.tcgetattr(inside)
    os.close(terminal)
    os.close(inside)
    assert code == 0
    assert shown.index(b"\x1b[?1049h") < shown.index(b"none under way") < shown.index(b"\x1b[?1049l")
    assert b"x" not in shown.partition(b"no runs yet")[2], "what is typed is not shown"
    assert after == before
