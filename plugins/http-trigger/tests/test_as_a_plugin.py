"""What every plugin owes every host, and what this one does when it is killed before its host confirmed an event."""

import os
import signal
import socket

import pytest

from strongroom.plugin.messages import capabilities_pb2, http_pb2
from strongroom.settings.manifest import PluginEntry
from strongroom.testing.conformance import CHECKS, Subject, run_check
from tests.fakes.http_caller import Caller, body_for, post
from tests.fakes.memory_host import WAIT_S, Eventually, MemoryHost
from tests.fakes.trigger_rig import WORKFLOW, registration

ID = "http-trigger@1.0.0-alpha"
COMMAND = ("python", "-m", "strongroom_http_trigger")
CALLER = Caller(b"conformance")
CONFIG = http_pb2.Config(
    authorized_keys=[http_pb2.AuthorizedKey(type=http_pb2.KEY_TYPE_ECDSA_EVM, public_key=CALLER.address)]
)
PLUGIN = Subject(plugin=COMMAND, config={"listen": "127.0.0.1:0"}, registrations={(ID, "Trigger"): CONFIG})


@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract_of_plugins(check):
    run_check(check, PLUGIN)


def test_a_request_that_was_not_confirmed_when_the_plugin_was_killed_comes_after_its_restart(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = {"listen": address, "accept_wait_ms": 50}
    entry = PluginEntry(name="http-trigger", command=COMMAND, provides=(ID,), config=config)
    asked = registration(CALLER.address)
    wish = capabilities_pb2.TriggerRegistrationRequest(
        triggerId=asked.trigger_id, metadata=asked.metadata, payload=asked.payload, method=asked.method
    )
    told, body = Eventually(), body_for(WORKFLOW, "killed-1")
    with MemoryHost(tmp_path, entry) as host:
        trigger = host.registry.get_trigger(ID)
        trigger.register(wish, told, timeout_s=WAIT_S)
        status, _, said = post(address, body, CALLER.bearer(body))
        assert (status, said["error"]["data"]["reason"]) == (503, "not_confirmed")
        told.wait(lambda t: len(t.events) == 1)
        os.kill(host.plugins.states()[0].pid, signal.SIGKILL)
        told.wait(lambda t: len(t.events) == 2)
        assert told.events[0] == told.events[1], "it is the same event, which the host knows by its id"
        trigger.ack(wish.triggerId, "killed-1", "Trigger")
        for _ in range(2):
            status, _, said = post(address, body, CALLER.bearer(body))
            assert (status, said["result"]["status"]) == (200, "ACCEPTED")
        assert len(told.events) == 2
