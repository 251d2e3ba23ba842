"""A socket has its mode from the first moment, and takes the place of nothing but a socket that nobody serves."""

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from strongroom.errors import Misconfigured
from strongroom.services.unix_socket import ADMIN_MODE, SOCKET_MODE, UnixSocket


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        yield Path(directory)


class Listener:
    """Binds as the library does, and remembers with which mode. ``widened`` opens the socket to everybody then."""

    def __init__(self, *, widened=False):
        self.modes = []
        self._widened = widened
        self._socket = socket.socket(socket.AF_UNIX)

    def __call__(self, address):
        path = Path(address.removeprefix("unix:"))
        self._socket.bind(str(path))
        self.modes.append(stat.S_IMODE(path.stat().st_mode))
        if self._widened:
            path.chmod(0o777)
        self._socket.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        self._socket.close()


@pytest.mark.parametrize("mode", [SOCKET_MODE, ADMIN_MODE], ids=oct)
@pytest.mark.parametrize("umask", [0, 0o077], ids=oct)
def test_nobody_else_can_open_it_at_any_moment_whatever_the_umask(place, mode, umask):
    path = place / "a.sock"
    before = os.umask(umask)
    try:
        for widened in (False, True):
            served = UnixSocket(path, mode=mode)
            with Listener(widened=widened) as listen:
                served.bind(listen)
                assert listen.modes == [mode], "the mode is there before anybody could connect"
                assert stat.S_IMODE(path.stat().st_mode) == mode
                assert [each.name for each in place.iterdir()] == ["a.sock"]
                served.release()
        assert os.umask(umask) == umask, "files that are made later have the modes that they had"
    finally:
        os.umask(before)


def test_the_modes_are_for_the_owner_and_the_group_and_for_the_owner_alone():
    assert (SOCKET_MODE, ADMIN_MODE) == (0o660, 0o600)


def stands(path, target):
    """Everything that is no socket which nobody serves any more."""
    yield "a file", lambda: path.write_text("notes")
    yield "a directory", lambda: path.mkdir()
    yield "a link to a file", lambda: path.symlink_to(target)
    yield "a link to nothing", lambda: path.symlink_to(target.with_name("nothing"))


@pytest.mark.parametrize("number", range(4))
def test_what_stands_there_and_is_no_socket_stays(place, number):
    path, target = place / "admin.sock", place / "target"
    target.write_text("kept")
    _, put = list(stands(path, target))[number]
    put()
    with Listener() as listen, pytest.raises(Misconfigured, match="cannot be bound") as refused:
        UnixSocket(path, where="admin_socket").bind(listen)
    assert (refused.value.code, refused.value.why) == ("SR-API-006", "what stands there is no socket")
    assert listen.modes == []
    assert target.read_text() == "kept"
    assert path.is_symlink() or path.exists()


def test_a_link_to_a_socket_that_somebody_serves_is_neither_followed_nor_replaced(place):
    real, path = place / "real.sock", place / "admin.sock"
    with Listener() as serving:
        serving(f"unix:{real}")
        path.symlink_to(real)
        with Listener() as listen, pytest.raises(Misconfigured, match="what stands there is no socket"):
            UnixSocket(path).bind(listen)
        assert path.is_symlink()


def test_a_link_at_the_name_that_it_is_bound_under_is_not_followed(place):
    target = place / "elsewhere"
    (place / f".api-{os.getpid()}").symlink_to(target)
    with Listener() as listen:
        UnixSocket(place / "a.sock").bind(listen)
    assert [each.name for each in place.iterdir()] == ["a.sock"]


def test_a_host_that_serves_there_keeps_its_socket(place):
    path = place / "admin.sock"
    with Listener() as serving:
        UnixSocket(path, mode=ADMIN_MODE).bind(serving)
        before = path.lstat().st_ino
        with Listener() as listen, pytest.raises(Misconfigured, match="somebody serves") as refused:
            UnixSocket(path, mode=ADMIN_MODE, where="admin_socket").bind(listen)
        assert refused.value.code == "SR-API-009"
        assert "the setting admin_socket" in refused.value.fix
        assert path.lstat().st_ino == before


def test_what_another_host_has_put_there_since_is_not_removed(place):
    path = place / "a.sock"
    served = UnixSocket(path)
    with Listener() as listen, Listener() as other:
        served.bind(listen)
        path.unlink()
        UnixSocket(path).bind(other)
        served.release()
        assert stat.S_ISSOCK(path.lstat().st_mode)
