"""``strongroom backup create`` while it takes long: what is seen, and what is left when either side of it is killed."""

import io
import sys
import threading
from concurrent import futures
from contextlib import contextmanager
from urllib.parse import quote

import grpc
import pytest

from strongroom.cli import progress
from strongroom.cli.main import run
from strongroom.cli.progress import Progress
from strongroom.errors import Unavailable
from strongroom.pb.strongroom.v1 import backup_pb2_grpc
from strongroom.services import backup as services
from tests.fakes.backup_rig import BackupRig
from tests.fakes.loaded_program import forked
from tests.fakes.program import PROGRAM, environment
from tests.scenarios.conftest import short_directory

WAIT_S = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a backup."""
    directory = tmp_path_factory.mktemp("whole")
    rig = BackupRig(directory / "state", 1)
    rig.back_up(directory / "b.tar")
    rig.stop()
    return (directory / "b.tar").read_bytes()


class Desk:
    """Makes a backup that goes on when it is let: ``begun`` and ``given_up`` say where it is."""

    backup_id = "ab" * 16

    def __init__(self, data):
        self.data, self.size = data, len(data)
        self.steps, self.kept = [], []
        self.begun, self.given_up, self.go = threading.Event(), threading.Event(), threading.Event()
        self.go.set()
        self.in_the_middle = lambda: None

    def make(self, told):
        self.begun.set()
        try:
            for what, done, total, seen in self.steps:
                told(what, done, total)
                assert seen.wait(WAIT_S), what
            while not self.go.wait(0.01):
                told("database", 1, 4)
        except Unavailable:
            self.given_up.set()
            raise
        return self

    def pieces(self):
        half = self.size // 2
        yield self.data[:half]
        self.in_the_middle()
        yield self.data[half:]

    def close(self):
        pass

    def confirm(self, backup_id):
        self.kept.append(backup_id)
        return True


class Host:
    """A server with ``desk`` behind it."""

    def __init__(self, desk, socket):
        self.desk, self.socket = desk, socket
        self.service = services.BackupService(desk, is_ending=lambda: False)
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        backup_pb2_grpc.add_BackupServiceServicer_to_server(self.service, self.server)
        self.server.add_insecure_port(f"unix:{quote(str(socket))}")
        self.server.start()

    def words(self, path):
        return "backup", "create", str(path), "--socket", str(self.socket)


@pytest.fixture
def host(whole, monkeypatch):
    monkeypatch.setattr(services, "TELL_S", 0.01)
    monkeypatch.setattr(services, "PART_BYTES_MAX", 10_000)
    directory = short_directory()
    made = Host(Desk(whole), directory / "s")
    yield made
    made.desk.go.set()
    made.server.stop(0).wait()
    for each in directory.iterdir():
        each.unlink()
    directory.rmdir()


class Terminal(io.StringIO):
    """A stderr that is a terminal, or is not. ``seen`` are events by the text that sets them."""

    def __init__(self, *, is_one=True):
        super().__init__()
        self._is_one, self.seen = is_one, {}

    def isatty(self):
        return self._is_one

    def write(self, text):
        for wanted, event in self.seen.items():
            if wanted in text:
                event.set()
        return super().write(text)

    @property
    def lines(self):
        """What stood there one after the other, each in the place of the one before."""
        return [line for line in self.getvalue().split("\r\x1b[K") if line]


@contextmanager
def stderr(monkeypatch, **kind):
    made = Terminal(**kind)
    with monkeypatch.context() as here:
        here.setattr(sys, "stderr", made)
        yield made


def test_who_waits_at_a_terminal_sees_how_far_it_is(host, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY_S", 0)
    with stderr(monkeypatch) as terminal:
        steps = (("database", 1, 4, "database 25 %"), ("work\x1b[2Jspaces", 1, 1, "spaces"))
        for what, done, total, text in steps:
            terminal.seen[text] = threading.Event()
            host.desk.steps.append((what, done, total, terminal.seen[text]))
        assert run([*host.words(tmp_path / "b.tar"), "--force"]) == 0
    shown = terminal.lines
    assert shown[:2] == ["database 25 %", "work\\x1b[2Jspaces"], "and a host cannot write on it as it likes"
    assert set(shown[2:-1]) > {"receiving 100 %"}
    assert shown[-1].startswith(f"{host.desk.size} bytes; see that it brings everything back"), "the line is gone"
    assert host.desk.kept == [host.desk.backup_id]


@pytest.mark.parametrize(
    ("is_one", "words"),
    [
        pytest.param(False, (), id="no terminal"),
        pytest.param(True, ("--quiet",), id="quiet"),
        pytest.param(True, ("--json",), id="JSON"),
    ],
)
def test_who_does_not_watch_is_shown_nothing_of_it(host, tmp_path, monkeypatch, capsys, is_one, words):
    monkeypatch.setattr(progress, "EVERY_S", 0)
    with stderr(monkeypatch, is_one=is_one) as terminal:
        assert run([*host.words(tmp_path / "b.tar"), *words]) == 0
    assert "%" not in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


def test_the_line_is_written_ten_times_a_second_at_most_and_taken_away(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with stderr(monkeypatch) as terminal:
        shown = Progress(type("Caller", (), {"quiet": False, "json": False}))
        shown.end()
        for number in range(5):
            shown("database", number, 4)
            now[0] += 0.05
        shown("what has no end", 3, 0)
        now[0] += 0.2
        shown("what has no end", 3, 0)
        shown.end()
        shown.end()
    assert terminal.lines == ["database 0 %", "database 50 %", "database 100 %", "what has no end"]
    assert terminal.getvalue().endswith("what has no end\r\x1b[K"), "and once only"


def test_a_client_that_is_killed_leaves_no_backup_and_the_next_one_has_its_turn(host, tmp_path):
    path = tmp_path / "b.tar"
    host.desk.go.clear()
    client = forked(PROGRAM[-1], host.words(path), environment(tmp_path), tmp_path)
    assert host.desk.begun.wait(WAIT_S)
    client.kill()
    client.wait(WAIT_S)
    assert host.desk.given_up.wait(WAIT_S), "the host does not go on for nobody"
    assert not path.exists()
    host.desk.go.set()
    with host.service._one:
        # The one before has let go.
        pass
    assert run(list(host.words(path))) == 0
    assert path.read_bytes() == host.desk.data
    assert len(host.desk.kept) == 1


def test_a_host_that_ends_in_the_middle_leaves_no_file_to_its_client(host, tmp_path, capsys):
    (tmp_path / "older").mkdir()
    older = tmp_path / "older" / "b.tar"
    older.write_bytes(host.desk.data)

    def ends():
        host.server.stop(0).wait()

    host.desk.in_the_middle = ends
    assert run([*host.words(older), "--force"]) != 0
    said = capsys.readouterr().err
    assert "SR-" in said
    assert "Traceback" not in said
    assert [each.name for each in older.parent.iterdir()] == ["b.tar"]
    assert older.read_bytes() == host.desk.data, "the older one stays"
    assert host.desk.kept == []
