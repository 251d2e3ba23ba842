"""The first moment of a service: a signal that asks for a reload before anybody listens does not end it."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, types
program = types.ModuleType("strongroom.cli.main")
program.main = program.serve_main = lambda: (os.kill(os.getpid(), signal.SIGHUP), print("still here", flush=True))
sys.modules[program.__name__] = program
from strongroom.cli import entry
entry.{name}()
"""


@pytest.mark.parametrize(
    ("name", "words", "survives"),
    [
        ("serve_main", (), True),
        ("main", ("serve", "--quiet"), True),
        ("main", (), False),
        ("main", ("dev",), False),
        ("main", ("run", "serve"), False),
    ],
)
def test_a_hangup_before_the_program_is_loaded_ends_commands_and_no_service(name, words, survives):
    program = [sys.executable, "-c", SCRIPT.format(name=name), *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == ((0, "still here\n") if survives else (-1, ""))


NOISY = """
import sys, types
def noisy():
    import grpc
    from concurrent import futures
    assert "grpc" in sys.modules
    keys = grpc.ssl_server_credentials([(b"no key", b"no certificate")])
    try:
        grpc.server(futures.ThreadPoolExecutor(1)).add_secure_port("127.0.0.1:0", keys)
    except RuntimeError:
        print("refused", flush=True)
program = types.ModuleType("strongroom.cli.main")
program.main = program.serve_main = noisy
sys.modules[program.__name__] = program
from strongroom.cli import entry
assert "grpc" not in sys.modules
entry.{name}()
"""


@pytest.mark.parametrize(("name", "verbosity"), [("main", ""), ("serve_main", ""), ("main", "ERROR")])
def test_what_grpc_writes_by_itself_is_not_among_the_lines_of_the_log_unless_somebody_wants_it(name, verbosity):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GRPC_")}
    environment |= {"GRPC_VERBOSITY": verbosity} if verbosity else {}
    program = [sys.executable, "-c", NOISY.format(name=name)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.stdout == "refused\n", done.stderr
    assert ("certificate" in done.stderr or "cert chain" in done.stderr) == bool(verbosity), done.stderr
