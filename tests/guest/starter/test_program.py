"""The program ``strongroom-runner``: how it is given a socket, how it says that it serves, and how it ends."""

import contextlib
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from strongroom.guest import executable_memory
from strongroom.guest.runner_process import RunnerProcess
from strongroom.guest.starter import wire
from strongroom.guest.starter.doors import ListeningDoor, activated, listening_at
from strongroom.guest.starter.pool_client import Pool, at_path, over
from strongroom.guest.starter.program import EXIT_CONFIGURATION
from tests.fakes.pool_program import PROGRAM, WAIT_S, PoolProgram, notified

# As a service manager does it: the socket is descriptor 3, and the number of the process stands in a variable.
ACTIVATES = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.setdefault('LISTEN_FDS', '1');"
    "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
)
ACTIVATED = [sys.executable, "-c", ACTIVATES]
REFUSES_CODE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, *map(ctypes.c_ulong, (1, 0, 0, 0)));"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def runs(start):
    """A runner can be had, and is given back."""
    runner = RunnerProcess(start=start)
    runner.wait_ready()
    runner.bury()


def refused(command, **options):
    """What the program says when it does not serve."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False, **options)
    assert done.returncode == EXIT_CONFIGURATION, done
    return done.stderr


@pytest.mark.parametrize("how", ["option", "variable"])
def test_its_lines_have_the_form_that_those_of_the_host_have(how):
    words = ("--log-format", "json") if how == "option" else ()
    said = refused([*PROGRAM, *words], env={"STRONGROOM_LOG__FORMAT": "json"} if how == "variable" else {})
    (line,) = [json.loads(line) for line in said.splitlines()]
    assert (line["level"], line["logger"]) == ("error", "strongroom.runner")
    assert line["message"].startswith("SR-GUEST-036 strongroom-runner cannot serve: there is no socket to serve")


def test_it_serves_the_socket_of_the_service_manager_and_says_when(tmp_path):
    path = tmp_path / "pool.sock"
    with listening_at(path) as listening, notified(tmp_path / "notify") as (address, told):
        number = listening.fileno()
        process = subprocess.Popen(
            [*ACTIVATED, str(number), *PROGRAM], env={"NOTIFY_SOCKET": address}, pass_fds=[number], stderr=-1, text=True
        )
        assert told() == b"READY=1"
        runs(Pool(at_path(path)).start)
        process.terminate()
        assert process.wait(WAIT_S) == 0
        process.stderr.close()
        assert path.exists(), "the socket is the service manager's"


def test_it_serves_a_path_of_its_own_user_alone_and_removes_it(tmp_path):
    program = PoolProgram(tmp_path / "pool.sock")
    assert stat.S_IMODE(program.path.stat().st_mode) == 0o600
    runs(program.client().start)
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(WAIT_S) == 0
    assert not program.path.exists()


def test_a_path_that_somebody_listens_at_is_left_to_them_and_an_abandoned_one_is_taken(tmp_path):
    path = tmp_path / "pool.sock"
    with listening_at(path):
        assert "somebody listens" in refused([*PROGRAM, "--socket", str(path)])
        assert path.exists()
        abandoned = tmp_path / "abandoned.sock"
        path.rename(abandoned)
    with listening_at(abandoned):
        pass
    (tmp_path / "file").touch()
    assert "Address already in use" in refused([*PROGRAM, "--socket", str(tmp_path / "file")])


def test_it_ends_with_whoever_left_it_a_descriptor(tmp_path):
    ours, theirs = wire.pair()
    with theirs:
        number = theirs.fileno()
        process = subprocess.Popen([*PROGRAM, "--inherited", str(number)], pass_fds=[number], stderr=-1, text=True)
    runner = RunnerProcess(start=Pool(over(ours)).start)
    runner.wait_ready()
    ours.close()
    assert process.wait(WAIT_S) == 0
    assert "whoever started this program is gone" in process.stderr.read()
    process.stderr.close()
    assert runner._process.wait() is None
    assert runner._process.is_lost
    runner.bury()


def test_a_runner_ends_with_a_host_that_is_killed(tmp_path):
    program = PoolProgram(tmp_path / "pool.sock")
    host = (
        "import sys, pathlib\n"
        "from strongroom.guest.runner_process import RunnerProcess\n"
        "from strongroom.guest.starter.pool_client import Pool, at_path\n"
        "runner = RunnerProcess(start=Pool(at_path(pathlib.Path(sys.argv[1]))).start)\n"
        "runner.wait_ready()\n"
        "print(runner.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", host, str(program.path)], stdin=-1, stdout=-1, text=True) as process:
        ended = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    assert poll.poll(WAIT_S * 1000), "the runner goes on without a host"
    os.close(ended)
    program.close()


def test_whatever_it_is_sent_it_serves_on_and_keeps_nothing_open(tmp_path):
    program, random = PoolProgram(tmp_path / "pool.sock"), Random(7)  # noqa: S311 - the same at each run
    descriptors = Path(f"/proc/{program.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    connect, given = at_path(program.path), [os.open(tmp_path, os.O_RDONLY), os.open(os.devnull, os.O_RDONLY)]
    for _ in range(200):
        with connect() as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(random.randrange(3)):
                data = random.randbytes(random.choice((1, 2, 3, 64, 65, 5_000)))
                socket.send_fds(connection, [data], given[: random.randrange(3)])
            connection.settimeout(WAIT_S)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                """It says why, and hangs up."""
    runs(program.client().start)
    deadline_s = time.monotonic() + WAIT_S
    while len(list(descriptors.iterdir())) > before:
        assert time.monotonic() < deadline_s, "it keeps something open"
        time.sleep(0.002)
    for descriptor in given:
        os.close(descriptor)
    program.close()


@pytest.mark.parametrize("first", ["the runner", "the host"])
def test_a_runner_and_its_host_that_end_at_once_leave_the_program_to_all_others(tmp_path, first):
    program = PoolProgram(tmp_path / "pool.sock")
    runner, other = (RunnerProcess(start=program.client().start) for _ in range(2))
    runner.wait_ready()
    other.wait_ready()
    program.process.send_signal(signal.SIGSTOP)
    ended = os.pidfd_open(runner.pid)
    for what in ("the runner", "the host") if first == "the runner" else ("the host", "the runner"):
        if what == "the host":
            runner._process.close()
            continue
        os.kill(runner.pid, signal.SIGKILL)
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        assert poll.poll(WAIT_S * 1000)
    os.close(ended)
    program.process.send_signal(signal.SIGCONT)
    runs(program.client().start)
    assert other.is_alive()
    other.bury()
    program.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "there is no socket to serve"),
        (["--inherited", "0"], "strongroom-runner cannot serve"),
        (["--inherited", "999"], "Bad file descriptor"),
        (["--socket", "/no/such/directory/pool.sock"], "No such file or directory"),
    ],
)
def test_without_a_socket_that_it_can_serve_it_says_so(options, reason):
    said = refused([*PROGRAM, *options], stdin=subprocess.DEVNULL)
    assert " error   strongroom.runner: SR-GUEST-036 " in said
    assert reason in said


@pytest.mark.parametrize("count", ["0", "-1", "1025", "many", "9" * 30])
def test_how_many_runners_is_a_number_within_bounds(count):
    done = subprocess.run([*PROGRAM, "--runners-max", count], capture_output=True, timeout=WAIT_S, check=False)
    assert done.returncode == 2
    assert b"a whole number in 1..1024" in done.stderr


def test_sockets_that_were_opened_for_another_process_are_left_alone_and_their_variables_go():
    environment = {"LISTEN_PID": str(os.getppid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "pool", "LANG": "C"}
    assert activated(environment) is None
    assert environment == {"LANG": "C"}


def test_a_socket_that_cuts_messages_is_refused_and_so_are_two(tmp_path):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.bind(str(tmp_path / "stream.sock"))
        stream.listen()
        command = [*ACTIVATED, str(stream.fileno()), *PROGRAM]
        assert "ListenSequentialPacket" in refused(command, pass_fds=[stream.fileno()])
        assert "passes 2 sockets" in refused(command, pass_fds=[stream.fileno()], env={"LISTEN_FDS": "2"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as deaf, pytest.raises(ValueError, match="not listen"):
        ListeningDoor(deaf)
    with socket.socket() as other, pytest.raises(ValueError, match="no Unix socket"):
        ListeningDoor(other)


def test_where_no_memory_can_be_made_executable_it_says_which_line_of_which_unit_is_wrong(tmp_path):
    assert executable_memory.can_be_made()
    command = [sys.executable, "-c", REFUSES_CODE, *PROGRAM[1:], "--socket", str(tmp_path / "pool.sock")]
    said = refused(command)
    if "cannot serve" in said:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert " error   strongroom.runner: SR-GUEST-037 " in said
    assert "remove MemoryDenyWriteExecute from the unit of strongroom-runner" in said
