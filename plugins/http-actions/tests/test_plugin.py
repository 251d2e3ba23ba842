"""The plugin as its host sees it: config is checked before anything starts, and the process works as one."""

import json
import logging

import pytest

from strongroom.errors import CapabilityError
from strongroom.plugin.messages import capabilities_pb2, http_pb2
from strongroom.settings.manifest import PluginEntry
from strongroom_http_actions.plugin import HttpActionsPlugin
from tests.fakes.memory_host import WAIT_S, MemoryHost, answer, request
from tests.fakes.plugin_host import MemoryStore, memory_host

ID = "http-actions@1.0.0-alpha"
WRONG = [
    {"redirects_max": 11},
    {"redirects_max": -1},
    {"redirects_max": True},
    {"request_bytes_max": 0},
    {"response_bytes_max": 500_001},
    {"concurrency_max": 65},
    {"owner_concurrency_max": 0},
    {"owner_requests_per_s": 1.5},
    {"allow_hosts": "a.example"},
    {"allow_hosts": [5]},
    {"allow_hosts": ["a.example/path"]},
    {"allow_hosts": ["a.example/"]},
    {"allow_hosts": ["ftp://a.example"]},
    {"allow_hosts": ["a.example:0"]},
    {"allow_hosts": ["*.example"]},
    {"allow_hosts": [f"h{n}.example" for n in range(1_001)]},
    {"allow_networks": ["10.1.2.3/16"]},
    {"allow_networks": ["everything"]},
    {"only_hosts": ["a.example:443"]},
    {"only_hosts": ["a.example:8443"]},
    {"only_hosts": ["a.example/"]},
    {"only_hosts": ["https://a.example"]},
    {"only_hosts": ["*"]},
    {"only_hosts": "a.example"},
    {"ca_file": "relative.pem"},
    {"ca_file": "/nowhere/at/all.pem"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: json.dumps(wrong)[:40])
def test_a_config_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}"):
        HttpActionsPlugin(**wrong)


def test_it_offers_one_method_once_it_is_started():
    plugin = HttpActionsPlugin()
    assert plugin.capabilities() == []
    plugin.stop()
    plugin.start(memory_host(store=MemoryStore()))
    (capability,) = plugin.capabilities()
    assert (capability.id, capability.kind, list(capability.methods)) == (ID, "action", ["SendRequest"])
    plugin.stop()


def test_the_library_beneath_writes_no_url_into_the_log():
    HttpActionsPlugin().start(memory_host(store=MemoryStore()))
    assert not logging.getLogger("urllib3.connection").isEnabledFor(logging.ERROR)


@pytest.fixture(scope="module")
def hosted(tmp_path_factory, authority):
    """The plugin as a process, which may reach the loopback under the name localhost."""
    entry = PluginEntry(
        name="http-actions",
        command=("python", "-m", "strongroom_http_actions"),
        provides=(ID,),
        config={"allow_networks": ["127.0.0.0/8", "::1/128"], "ca_file": str(authority.path), "allow_hosts": []},
    )
    with MemoryHost(tmp_path_factory.mktemp("host"), entry) as host:
        yield host


def send(host, **fields):
    sent = request("SendRequest", http_pb2.Request(**fields), workflow_owner="aa" * 20)
    return host.registry.get_executable(ID).execute(sent, timeout_s=WAIT_S)


def test_the_process_refuses_with_the_shape_of_the_contract(hosted):
    assert hosted.registry.get(ID).plugin == "http-actions"
    with pytest.raises(CapabilityError, match="url: this host has an address that requests may not go to") as caught:
        send(hosted, url="https://10.0.0.1/", method="GET")
    assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "User", "PermissionDenied")


def test_the_process_sends_with_a_client_certificate(tmp_path_factory, authority, serving):
    """The process is undumpable, and its key file in memory can be read by itself all the same."""
    site = serving(clients=authority.path, certificate=authority.file("localhost"))
    entry = PluginEntry(
        name="http-actions",
        command=("python", "-m", "strongroom_http_actions"),
        provides=(ID,),
        config={"allow_hosts": [f"localhost:{site.port}"], "ca_file": str(authority.path)},
    )
    certificate, private_key = authority.issue("client.example")
    with MemoryHost(tmp_path_factory.mktemp("host"), entry) as host:
        response = send(
            host,
            url=f"https://localhost:{site.port}/",
            method="POST",
            mtls=http_pb2.MtlsAuth(certificate=certificate, private_key=private_key),
        )
        assert answer(response, http_pb2.Response()).status_code == 200
        step = capabilities_pb2.RequestMetadata(workflow_owner="aa" * 20, workflow_execution_id="e", reference_id="1")
        packed = request("SendRequest", http_pb2.Request(url=f"https://localhost:{site.port}/", method="POST"))
        packed.metadata.CopyFrom(step)
        with pytest.raises(CapabilityError, match="connection failed|TLS failed"):
            host.registry.get_executable(ID).execute(packed, timeout_s=WAIT_S)
        assert site.seen[0].client == "client.example"
        assert len(site.seen) == 1, "without a certificate the far side takes no request"
        ((_, name),) = host.stores["http-actions"].values
        assert name.startswith("once/"), "what may have left is remembered in the store of the host"
