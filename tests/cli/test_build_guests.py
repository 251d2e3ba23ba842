"""The tool that writes over committed guests does nothing that it was not asked for."""

import subprocess
import sys

from tools.build_guests import COMMITTED, ROOT


def tool(*arguments):
    command = [sys.executable, "tools/build_guests.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_asking_for_help_builds_nothing():
    before = {place: (ROOT / place).stat().st_mtime_ns for place in COMMITTED}
    shown = tool("--help")
    assert shown.returncode == 0
    assert "write over them" in shown.stdout
    assert before == {place: (ROOT / place).stat().st_mtime_ns for place in COMMITTED}


def test_a_guest_that_is_not_committed_is_refused_with_those_that_are():
    refused = tool("no-such.wasm")
    assert refused.returncode == 2
    assert "examples/hello/hello.wasm" in refused.stderr
