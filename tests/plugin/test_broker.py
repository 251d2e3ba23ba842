"""The broker: announced and looked for, in either order, once."""

import threading

import pytest

from strongroom.errors import PluginFault
from strongroom.pb.plugin import plugin_pb2
from strongroom.plugin.serve.broker import PENDING_MAX, Broker


def info(number: int = 1, network: str = "unix", address: str = "/p") -> plugin_pb2.ConnInfo:
    return plugin_pb2.ConnInfo(service_id=number, network=network, address=address)


def test_what_was_announced_is_found_once():
    broker = Broker(timeout_s=0.05)
    broker.take(info())
    assert broker.target_of(1) == "unix:/p"
    with pytest.raises(PluginFault, match="timeout waiting for connection info"):
        broker.target_of(1)


def test_a_path_that_is_no_uri_is_quoted():
    broker = Broker(timeout_s=0.05)
    broker.take(info(address="/a%41?b#c"))
    assert broker.target_of(1) == "unix:/a%2541%3Fb%23c"


def test_who_looks_first_waits():
    broker, found = Broker(), []
    waiting = threading.Thread(target=lambda: found.append(broker.target_of(7)))
    waiting.start()
    broker.take(info(8))
    broker.take(info(7, address="/seven"))
    waiting.join(60)
    assert found == ["unix:/seven"]


def test_what_nobody_claims_is_forgotten(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("strongroom.plugin.serve.broker.time.monotonic", lambda: now[0])
    broker = Broker(timeout_s=5)
    broker.take(info())
    now[0] = 5.1
    broker.close()
    with pytest.raises(PluginFault, match="timeout"):
        broker.target_of(1)


def test_an_id_that_is_announced_again_is_the_new_place():
    broker = Broker()
    broker.take(info(address="/old"))
    broker.take(info(address="/new"))
    assert broker.target_of(1) == "unix:/new"


def test_a_flood_of_announcements_is_cut_off():
    broker = Broker(timeout_s=60)
    for number in range(PENDING_MAX + 10):
        broker.take(info(number))
    assert broker.target_of(0) == "unix:/p"
    broker.close()  # so that nobody waits for what was cut off
    with pytest.raises(PluginFault):
        broker.target_of(PENDING_MAX + 5)


@pytest.mark.parametrize(("network", "address"), [("unix", "p"), ("tcp", "10.0.0.1:1"), ("udp", "/p")])
def test_a_place_on_another_machine_is_refused(network, address):
    broker = Broker()
    broker.take(info(network=network, address=address))
    with pytest.raises(PluginFault, match="unknown address type"):
        broker.target_of(1)


def test_announcements_go_out_in_order_and_end_with_the_broker():
    broker = Broker()
    assert [broker.announce("/a"), broker.announce("/b")] == [1, 2]
    broker.close()
    assert [(i.service_id, i.address) for i in broker.outgoing()] == [(1, "/a"), (2, "/b")]
