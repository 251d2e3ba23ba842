"""Orders to ``strongroom-runner``: what it starts, what it refuses, and when it ends a runner."""

import contextlib
import errno
import os
import select
import socket

import pytest

from strongroom.errors import Unavailable
from strongroom.guest.runner_process import RunnerProcess
from strongroom.guest.starter import order, wire
from strongroom.guest.starter.pool_client import ENCLAVE, Pool, at_path
from strongroom.pb.strongroom.runner.v1 import pool_pb2
from tests.fakes.pool_program import WAIT_S, PoolInThread

ORDER = pool_pb2.Order(kind=pool_pb2.RUNNER_KIND_GUESTS).SerializeToString()


@pytest.fixture
def pool(tmp_path):
    made = PoolInThread(tmp_path / "pool.sock", runners_max=2)
    yield made
    made.close()


def readable(connection):
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    assert poll.poll(WAIT_S * 1000), "nothing came"


def answer(connection):
    """The next word of the program, its descriptor closed; nothing once it has hung up."""
    readable(connection)
    message = wire.receive(connection)
    if message is None:
        return None
    if message[1] is not None:
        os.close(message[1])
    return pool_pb2.Answer.FromString(message[0])


def ready(pool):
    runner = RunnerProcess(start=pool.pool().start)
    runner.wait_ready()
    return runner


def gone(pid):
    """Whether the process is no more. Whoever started it has waited for it, so nothing is left of it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


@pytest.fixture(params=["over the inherited pair", "at the path"])
def client(request, pool):
    return pool.pool() if request.param == "over the inherited pair" else Pool(at_path(pool.path))


def test_an_order_is_a_sealed_runner_that_ends_when_its_host_hangs_up(client):
    runner = RunnerProcess(start=client.start)
    runner.wait_ready()
    assert runner.is_alive()
    assert "seccomp" in runner.ready.protections
    assert runner.ready.pid == runner.pid
    runner.kill()
    assert runner._process.wait(WAIT_S) == -9, "it was told how the runner ended, although it hung up"
    assert not runner.is_alive()
    assert gone(runner.pid)
    runner.bury()


def test_a_runner_that_ends_by_itself_is_reported_with_its_last_words(pool, monkeypatch):
    monkeypatch.setitem(order.PROGRAMS, pool_pb2.RUNNER_KIND_GUESTS, "no_such_program")
    runner = RunnerProcess(start=pool.pool().start)
    with pytest.raises(Unavailable, match="exited with status 1; .*No module named no_such_program") as caught:
        runner.wait_ready()
    assert caught.value.code == "SR-GUEST-020"
    runner.bury()


def test_an_enclave_runner_is_the_program_of_the_pool_s_choice(pool):
    started = pool.pool(ENCLAVE).start()
    connection = started.connection(WAIT_S)
    command = []
    while not command[1:]:
        # A process that is not the program yet has none.
        with open(f"/proc/{started.pid}/cmdline", "rb") as file:  # noqa: PTH123 - of the kernel
            command = file.read().split(b"\0")
    assert command[1:4] == [b"-I", b"-m", b"strongroom_confidential_workflows.enclave"]
    connection.close()
    assert started.wait(WAIT_S) == 75, "it ends when nobody is left to configure it"
    started.close()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\xff\xff\xff", "it is no order"),
        (ORDER[:1], "it is no order"),
        (b"GET / HTTP/1.1\r\n", "it is no order"),
        (pool_pb2.Order().SerializeToString() or b"\x08\x00", "no order of this version"),
        (b"\x08\x09", "no order of this version"),
        (ORDER + b"\x12\x03cmd", "no order of this version"),
        (ORDER * 40, "larger than 64 bytes"),
        (b"x" * 5_000, "it is too long"),
    ],
    ids=["noise", "half", "another protocol", "no kind", "unknown kind", "more than an order", "too large", "cut"],
)
def test_what_is_no_order_is_refused_with_the_reason_and_starts_nothing(pool, message, reason):
    connection = pool.connect()
    wire.send(connection, message)
    assert reason in answer(connection).refused.why
    assert answer(connection) is None
    connection.close()
    ready(pool).bury()


def test_an_order_may_bring_a_directory_and_nothing_else(pool, tmp_path):
    directory, file = os.open(tmp_path, os.O_RDONLY), os.open(os.devnull, os.O_RDONLY)
    enclave = pool_pb2.Order(kind=pool_pb2.RUNNER_KIND_ENCLAVE).SerializeToString()
    for message, descriptor in [(ORDER, file), (enclave, directory)]:
        connection = pool.connect()
        wire.send(connection, message, descriptor)
        assert "no directory of code" in answer(connection).refused.why
        connection.close()
    connection = pool.connect()
    socket.send_fds(connection, [ORDER], [directory, directory])
    assert "more than one descriptor" in answer(connection).refused.why
    connection.close()
    os.close(directory)
    os.close(file)


def test_a_second_message_ends_the_runner(pool):
    connection = pool.connect()
    wire.send(connection, ORDER)
    pid = answer(connection).started.pid
    wire.send(connection, ORDER)
    assert "after the order" in answer(connection).refused.why
    assert answer(connection).ended.status == -9
    assert gone(pid)
    connection.close()


def test_a_host_that_leaves_before_its_answer_leaves_no_runner(pool):
    for _ in range(2):
        connection = pool.connect()
        wire.send(connection, ORDER)
        connection.close()
    last = pool.connect()
    wire.send(last, b"?")
    assert answer(last).refused.why, "those before it have had their turn"
    last.close()
    pool.wait_idle()
    first, second = ready(pool), ready(pool)
    first.bury()
    second.bury()


def test_a_host_that_does_not_read_its_answer_is_hung_up_on_and_leaves_no_runner(pool, caplog):
    """Over the inherited pair it is the host that made both ends, so it can have filled the other way before."""
    ours, theirs = wire.pair()
    with contextlib.suppress(BlockingIOError):
        while True:
            wire.send(theirs, b"x" * 1_000)
    wire.send(ours, ORDER)
    wire.send(pool.inherited, b"connection", theirs.fileno())
    theirs.close()
    hung_up = select.poll()
    hung_up.register(ours.fileno(), 0)
    assert hung_up.poll(WAIT_S * 1000)
    ours.close()
    pool.wait_idle()
    assert "a host was hung up on" in caplog.messages, "its answer was lost, and taken for given"


def test_a_runner_that_the_system_has_no_process_for_is_refused_at_once(pool, monkeypatch):
    """The system says so with the error that also means: nothing is there to be read."""

    def nobody(*_arguments, **_more):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    connection = pool.connect()
    with monkeypatch.context() as there:
        there.setattr(order, "Child", nobody)
        wire.send(connection, ORDER)
        assert "temporarily unavailable" in answer(connection).refused.why
    assert answer(connection) is None
    connection.close()
    pool.wait_idle()


def test_more_connections_than_there_may_be_are_refused_until_one_ends(pool):
    first, second = ready(pool), ready(pool)
    with pytest.raises(Unavailable, match=r"2 runners run already \(--runners-max\)") as caught:
        ready(pool)
    assert caught.value.code == "SR-GUEST-035"
    first.bury()
    third = ready(pool)
    assert second.is_alive(), "those that run are left alone"
    second.bury()
    third.bury()


def test_a_host_that_orders_nothing_keeps_no_place(tmp_path, monkeypatch):
    monkeypatch.setattr(order, "ORDER_S", 0.05)
    pool = PoolInThread(tmp_path / "pool.sock", runners_max=1)
    connection = pool.connect()
    assert "no order came in time" in answer(connection).refused.why
    assert answer(connection) is None
    connection.close()
    ready(pool).bury()
    pool.close()


def test_what_comes_over_the_inherited_pair_and_is_no_connection_is_closed(pool):
    stream, other = socket.socketpair()
    reading, writing = os.pipe()
    for descriptor in (stream.fileno(), writing, None):
        wire.send(pool.inherited, b"connection", descriptor)
    wire.send(pool.inherited, b"x" * 5_000)
    stream.close()
    os.close(writing)
    assert other.recv(1) == b"", "its copy is closed as well"
    assert os.read(reading, 1) == b""
    other.close()
    os.close(reading)
    ready(pool).bury()


def test_when_the_program_ends_its_runners_do_and_their_hosts_know_why(tmp_path):
    pool = PoolInThread(tmp_path / "pool.sock")
    runner = ready(pool)
    pool.close()
    assert gone(runner.pid)
    assert not runner.is_alive()
    assert runner._process.is_lost, "it is no fault of the runner"
    runner.bury()
    with pytest.raises(Unavailable, match="the program that starts runners is away") as caught:
        ready(pool)
    assert caught.value.code == "SR-GUEST-034"


def test_a_host_that_has_said_nothing_yet_is_waited_for():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        ordered = order.OrderedRunner(ours)
        assert ordered.read()
        assert not ordered.is_over
        theirs.close()
        assert not ordered.read()
        assert ordered.is_over
