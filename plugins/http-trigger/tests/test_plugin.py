"""The plugin as its host sees it: its config, and a process that takes a signed request from the wire to the host."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from strongroom.errors import CapabilityError, Misconfigured
from strongroom.plugin.messages import capabilities_pb2, http_pb2
from strongroom.settings.manifest import PluginEntry
from strongroom_http_trigger.plugin import HttpTriggerPlugin
from strongroom_http_trigger.service import execution_id
from tests.fakes.http_caller import Caller, body_for, post
from tests.fakes.memory_host import WAIT_S, Eventually, MemoryHost
from tests.fakes.plugin_host import MemoryStore, memory_host
from tests.fakes.trigger_rig import WORKFLOW, registration

ID = "http-trigger@1.0.0-alpha"
CLIENT = Path(__file__).resolve().parents[3] / "examples" / "clients" / "start_by_http.py"
WRONG = [
    {"listen": "localhost:80"},
    {"listen": "unix:relative"},
    {"body_bytes_max": 0},
    {"body_bytes_max": 1_000_001},
    {"connections_max": 1_001},
    {"threads": 65},
    {"threads": True},
    {"accept_wait_ms": 60_001},
    {"rate_every_s": 0},
    {"rate_burst": 0},
    {"remember_s": 299},
]


@pytest.mark.parametrize("wrong", WRONG, ids=json.dumps)
def test_a_config_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}"):
        HttpTriggerPlugin(**wrong)


def test_it_offers_one_trigger_once_it_is_started():
    plugin = HttpTriggerPlugin(listen="127.0.0.1:0")
    assert plugin.capabilities() == []
    plugin.stop()
    plugin.start(memory_host(store=MemoryStore()))
    (capability,) = plugin.capabilities()
    assert (capability.id, capability.kind, list(capability.triggers)) == (ID, "trigger", ["Trigger"])
    plugin.stop()


def test_an_address_that_is_taken_stops_the_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        plugin = HttpTriggerPlugin(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Misconfigured, match="cannot listen on") as caught:
            plugin.start(memory_host(store=MemoryStore()))
    assert caught.value.code == "SR-HTTP-001"


def test_an_address_that_others_can_reach_is_warned_of(caplog):
    plugin = HttpTriggerPlugin(listen="0.0.0.0:0")
    plugin.start(memory_host(store=MemoryStore()))
    plugin.stop()
    assert "is not local: tokens and inputs cross the network without TLS" in caplog.text


class Acknowledging(Eventually):
    """A host that confirms each event, as the engine does when its run is on disk."""

    def __init__(self, trigger, trigger_id):
        super().__init__()
        self._trigger, self._trigger_id = trigger, trigger_id

    def event(self, event):
        super().event(event)
        confirm = (self._trigger_id, event.id, "Trigger")
        threading.Thread(target=self._trigger.ack, args=confirm, daemon=True).start()


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    """The plugin as a process, listening on a socket; with the address."""
    directory = tmp_path_factory.mktemp("host")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    entry = PluginEntry(
        name="http-trigger",
        command=("python", "-m", "strongroom_http_trigger"),
        provides=(ID,),
        config={"listen": f"127.0.0.1:{port}", "rate_burst": 100},
    )
    with MemoryHost(directory, entry) as host:
        yield host, f"127.0.0.1:{port}"


def subscribe(host, caller, **changes):
    """A workflow that listens; what its host is told."""
    asked = registration(caller.address, **changes)
    trigger = host.registry.get_trigger(ID)
    request = asked_request(asked)
    told = Acknowledging(trigger, request.triggerId)
    trigger.register(request, told, timeout_s=WAIT_S)
    return trigger, request, told


def asked_request(asked):
    return capabilities_pb2.TriggerRegistrationRequest(
        triggerId=asked.trigger_id, metadata=asked.metadata, payload=asked.payload, method=asked.method
    )


def test_a_signed_request_becomes_an_event_of_the_host(hosted):
    host, address = hosted
    caller, body = Caller(), body_for(WORKFLOW, "wire-1")
    trigger, request, told = subscribe(host, caller)
    for _ in range(2):
        status, _, said = post(address, body, caller.bearer(body))
        assert (status, said["result"]["workflowExecutionID"]) == (200, execution_id(WORKFLOW, "wire-1", 0))
    (event,) = told.events
    payload = http_pb2.Payload()
    assert event.payload.Unpack(payload)
    assert (event.triggerType, event.id, payload.input) == (ID, "wire-1", b'{"n": 1}')
    assert any(key.startswith("request/") for _, key in host.stores["http-trigger"].values)
    body = body_for(WORKFLOW, "wire-2")
    for end, status in ((trigger.pause, 503), (trigger.unregister, 401)):
        end(request)
        said = (0, {}, {})
        while said[0] != status:
            assert said[0] in {0, 200, 503}, said
            said = post(address, body, caller.bearer(body))
    assert [event.id for event in told.events][:1] == ["wire-1"]


def test_a_subscription_with_wrong_keys_is_refused_over_the_wire(hosted):
    host, _ = hosted
    with pytest.raises(CapabilityError, match="authorized_keys is empty"):
        host.registry.get_trigger(ID).register(asked_request(registration()), Eventually(), timeout_s=WAIT_S)


def test_the_example_client_starts_a_workflow(hosted, tmp_path):
    host, address = hosted
    caller = Caller(b"example")
    subscribe(host, caller, workflow="11" * 32)
    key = tmp_path / "key.hex"
    key.write_text(caller.key.secret.hex() + "\n")
    command = [
        sys.executable,
        CLIENT,
        "--key",
        key,
        "--id",
        "order-17",
        f"http://{address}/",
        "11" * 32,
        '{"name": "you"}',
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "workflowExecutionID": execution_id("11" * 32, "order-17", 0),
        "status": "ACCEPTED",
    }
    refused = subprocess.run([*command[:-2], "22" * 32, "{}"], capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "the workflow does not listen here" in refused.stderr
