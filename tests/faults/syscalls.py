"""System calls of a running process that fail on command, by way of ``strace``, which no library is needed for."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

__all__ = ["Injection"]

END_S = 10


class Injection:
    """From the ``number``-th on, or only that one, ``calls`` of each thread of ``pid`` fail with ``error``."""

    def __init__(self, pid, calls, error, number, *, once=False):
        self._log = Path(tempfile.mkstemp(prefix="strace-")[1])
        when = f"{number}" if once else f"{number}+"
        inject = f"inject={calls}:error={error}:when={when}"
        words = ["-f", "-o", str(self._log), "-e", f"trace={calls}", "-e", inject, "-p", str(pid)]
        program = shutil.which("strace")
        if program is None:
            pytest.skip("strace is not installed: apt-get install -y strace")
        self._process = subprocess.Popen([program, *words], stderr=subprocess.PIPE, text=True)
        said = self._process.stderr.readline()
        if "attached" not in said:
            self._process.kill()
            self._process.communicate()
            pytest.skip(f"strace may not look at other processes here: {said.strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.end()

    def end(self):
        """Let go of the process. Returns how many calls failed."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=END_S)
        self._process = None
        failed = self._log.read_text().count("(INJECTED)")
        self._log.unlink()
        return failed
