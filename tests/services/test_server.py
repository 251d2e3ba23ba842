"""A socket belongs to the host that serves on it: nobody takes it over, and nobody removes another one's."""

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from strongroom.errors import Misconfigured
from strongroom.services.server import ApiServer


def server(path):
    return ApiServer(path, [], message_bytes_max=1000, reflection=False)


@pytest.fixture
def path():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        yield Path(directory) / "s.sock"


def test_a_socket_that_somebody_serves_is_refused_and_stays(path):
    first, second = server(path), server(path)
    first.start()
    before = os.lstat(path).st_ino
    with pytest.raises(Misconfigured, match=f"somebody serves on the socket {path} already") as caught:
        second.start()
    assert (caught.value.code, "choose another socket" in caught.value.fix) == ("SR-API-009", True)
    second.stop(0)
    assert os.lstat(path).st_ino == before
    first.stop(0)
    assert not path.exists()


def test_a_program_that_is_no_host_and_has_no_time_keeps_its_socket(path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        with pytest.raises(Misconfigured, match="already"):
            server(path).start()
        assert path.exists()


def test_a_socket_that_nobody_serves_any_more_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    made = server(path)
    made.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    made.stop(0)
    assert not path.exists()


def test_a_socket_of_somebody_else_at_the_same_place_is_not_removed(path):
    made = server(path)
    made.start()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        made.stop(0)
        assert path.exists()


def test_a_directory_that_takes_nothing_is_said_in_our_words(capfd):
    with pytest.raises(Misconfigured, match="cannot be bound") as caught:
        server(Path("/proc/api.sock")).start()
    assert caught.value.why == "/proc: No such file or directory"
    assert capfd.readouterr().err == ""


def test_a_file_that_is_no_socket_is_neither_replaced_nor_removed(path):
    path.write_text("notes")
    made = server(path)
    with pytest.raises(Misconfigured, match="cannot be bound"):
        made.start()
    made.stop(0)
    assert path.read_text() == "notes"
