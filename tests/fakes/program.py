"""The command line as tests use it, and what a host is started with.

What starts is the program as it is installed. Between tests, which ``save_starts``, a host is a fork of a process that
has loaded the program, and a command runs in the process of the test: the same code, without what precedes it.
"""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes import terminal
from tests.fakes.loaded_program import forked

__all__ = ["DEADLINE_S", "PROGRAM", "Answer", "environment", "save_starts", "saves_starts", "strongroom"]

DEADLINE_S = 60
PROGRAM = (sys.executable, "-m", "strongroom.cli")
READ_LATE = (
    *("STRONGROOM_", "ENCRYPTION_", "CONFIGURATION_", "RUNTIME_", "CACHE_", "CREDENTIALS_", "OTEL_"),
    "PYTHONPATH",
)
"""How variables begin that a fork may get. Others may be for the loader or the interpreter, which do so at a start."""
HOSTS = {"dev", "serve"}
LASTING = {*((host,) for host in HOSTS), ("demo",), ("vault", "serve")}
"""How commands begin that want a process of their own."""
_saves_starts = threading.Event()
_here = threading.Lock()
_lending = threading.Lock()
_own = {}
"""The environment of this process, while a command has another one here."""


def save_starts():
    """From now on let hosts be forks, and commands run here, where nothing but the start of the program is lost."""
    _saves_starts.set()


def saves_starts(program, variables):
    """Whether a host of ``program`` with these ``variables`` beside the usual may be a fork."""
    is_module = len(program) == len(PROGRAM) and program[:2] == PROGRAM[:2]
    return _saves_starts.is_set() and is_module and all(name.startswith(READ_LATE) for name in variables)


@dataclass
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def environment(state, **more):
    with _lending:
        kept = {k: v for k, v in (_own or os.environ).items() if not k.startswith(("STRONGROOM_", "XDG_"))}
    return {**kept, "STRONGROOM_STATE_DIR": str(state), **more}


def strongroom(state, *arguments, stdin=b"", cwd=None, **more):
    """Run a command against the daemon of ``state``."""
    words, variables = [os.fsdecode(word) for word in arguments], environment(state, **more)
    # Beside a command that runs here already, on another thread, the next one has a process of its own.
    is_short = LASTING.isdisjoint({tuple(words[:1]), tuple(words[:2])})
    if is_short and _saves_starts.is_set() and _here.acquire(blocking=False):
        try:
            with _environment_is(variables, cwd or state):
                ended = terminal.strongroom(*words, stdin=stdin)
        finally:
            _here.release()
        return Answer(ended.code, ended.out, ended.err)
    if words[0] in HOSTS and saves_starts(PROGRAM, more):
        return _refusal(forked(PROGRAM[-1], words, variables, cwd or state))
    done = subprocess.run(
        [*PROGRAM, *words],
        env=variables,
        input=stdin,
        capture_output=True,
        timeout=DEADLINE_S,
        cwd=cwd or state,
        check=False,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def _refusal(host):
    """What a host said that ends before it is ready."""
    said = []
    reader = threading.Thread(target=lambda: said.append(host.stderr.read()))
    reader.start()
    out = host.stdout.read()
    reader.join()
    return Answer(host.wait(DEADLINE_S), out, said[0])


@contextmanager
def _environment_is(variables, directory):
    """Lend this process another environment, working directory and umask of its own."""
    was_in, mask = Path.cwd(), os.umask(0o022)
    os.umask(mask)
    with _lending:
        _own.update(os.environ)
        os.environ.clear()
        os.environ.update(variables)
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(was_in)
        os.umask(mask)
        with _lending:
            os.environ.clear()
            os.environ.update(_own)
            _own.clear()
