"""A host that may open no socket of the internet starts its plugins all the same."""

import errno
import socket

import pytest

from strongroom.registry.child import plugin_environment


def test_a_plugin_process_has_a_port_number_where_no_such_socket_can_be_made(tmp_path, monkeypatch):
    def refused(*unused):
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refused)
    found = plugin_environment(name="vault", mode="serve", directory=tmp_path, token="t")
    assert found["CL_PROMETHEUS_PORT"].isdecimal()


@pytest.mark.parametrize(("own", "given"), [(None, "NONE"), ("debug", "debug")], ids=["quiet", "as-asked-for"])
def test_what_grpc_writes_by_itself_is_not_in_the_log_unless_an_operator_wants_it(tmp_path, monkeypatch, own, given):
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    if own is not None:
        monkeypatch.setenv("GRPC_VERBOSITY", own)
    found = plugin_environment(name="vault", mode="serve", directory=tmp_path, token="t")
    assert found["GRPC_VERBOSITY"] == given
