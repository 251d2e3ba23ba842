"""Where probes are served: on this machine, unless somebody says otherwise."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from strongroom.settings.model import Settings
from strongroom.settings.observe import ObserveSettings, is_loopback


def test_they_are_served_by_a_service_and_in_dev_where_somebody_names_a_place():
    assert ObserveSettings().is_on("serve")
    assert not ObserveSettings().is_on("dev")
    assert ObserveSettings(listen="127.0.0.1:9464").is_on("dev")
    assert ObserveSettings(socket=Path("/x/o.sock")).is_on("dev")
    assert ObserveSettings(enabled=True).is_on("dev")
    assert not ObserveSettings(enabled=False, listen="127.0.0.1:9464").is_on("serve")


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "host.example:1", "127.0.0.1.nip.io:1"])
def test_an_address_that_others_reach_must_be_meant(listen):
    with pytest.raises(ValidationError, match="allow_remote"):
        ObserveSettings(listen=listen)
    assert ObserveSettings(listen=listen, allow_remote=True).listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:9464", "127.8.8.8:1", "localhost:1", "[::1]:65535"])
def test_an_address_of_this_machine_needs_no_word(listen):
    assert ObserveSettings(listen=listen).listen == listen


@pytest.mark.parametrize("listen", ["9464", ":9464", "localhost:70000", "localhost:", "http://localhost:1", "a b:1"])
def test_what_is_no_address_is_refused(listen):
    with pytest.raises(ValidationError, match="it is no address"):
        ObserveSettings(listen=listen)


def test_the_socket_stands_beside_that_of_the_api():
    assert Settings().observe_socket_path == Path("/run/strongroom/observe.sock")
    assert Settings(socket=Path("/a/b.sock")).observe_socket_path == Path("/a/b-observe.sock")
    assert Settings(observe=ObserveSettings(socket=Path("/c.sock"))).observe_socket_path == Path("/c.sock")


def test_names_are_loopback_only_where_that_is_certain():
    assert is_loopback("[::1]")
    assert not is_loopback("localhost.example")
    assert not is_loopback("")
