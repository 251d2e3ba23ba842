"""Where the socket of administrators is: beside the other one, unless a setting says otherwise."""

from pathlib import Path

import pytest

from strongroom.errors import Misconfigured
from strongroom.settings.layers import load
from strongroom.settings.model import Settings


@pytest.mark.parametrize(
    ("socket", "admin"),
    [
        ("/run/strongroom/strongroom.sock", "/run/strongroom/admin.sock"),
        ("/tmp/x.sock", "/tmp/x-admin.sock"),
        ("/tmp/api", "/tmp/api-admin"),
    ],
)
def test_it_is_beside_the_socket_and_has_its_name_where_that_is_not_the_usual_one(socket, admin):
    assert Settings(socket=Path(socket)).admin_socket_path == Path(admin)


def test_a_setting_puts_it_elsewhere(tmp_path):
    loaded = load("dev", {}, tmp_path, {"STRONGROOM_ADMIN_SOCKET": "/elsewhere/a.sock"})
    assert loaded.settings.admin_socket_path == Path("/elsewhere/a.sock")


@pytest.mark.parametrize(
    ("flags", "where"),
    [
        ({"admin_socket": "/" + "a" * 107}, "flags:admin_socket"),
        # 107 bytes are allowed, and `-admin` makes more of them.
        ({"socket": "/" + "a" * 101 + ".sock"}, "flags:admin_socket"),
    ],
)
def test_a_path_that_no_socket_can_have_is_refused_before_the_start(tmp_path, flags, where):
    with pytest.raises(Misconfigured, match=f"{where} has a wrong value") as caught:
        load("dev", flags, tmp_path, {})
    assert "at most 107 bytes" in caught.value.why
