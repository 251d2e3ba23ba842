"""What every plugin owes every host, and what this one does when it is killed in the middle of a request."""

import os
import signal
import threading

import pytest

from strongroom.errors import CapabilityError
from strongroom.plugin.messages import http_pb2
from strongroom.settings.manifest import PluginEntry
from strongroom.testing.conformance import CHECKS, Subject, run_check
from tests.fakes.memory_host import WAIT_S, MemoryHost, request
from tests.fakes.web_site import Site, says

ID = "http-actions@1.0.0-alpha"
COMMAND = ("python", "-m", "strongroom_http_actions")
CANARY = "canary-5eb63bbb"


@pytest.fixture(scope="module")
def subject(authority):
    """The plugin, and a site on the loopback that it may ask."""
    site = Site(lambda _seen: iter([says(200, b"fine")]), certificate=authority.file("localhost"))
    sample = http_pb2.Request(
        url=f"https://localhost:{site.port}/{CANARY}", method="POST", headers={"X-Key": CANARY}, body=CANARY.encode()
    )
    yield Subject(
        plugin=COMMAND,
        config={"allow_hosts": [f"localhost:{site.port}"], "ca_file": str(authority.path)},
        samples={(ID, "SendRequest"): sample},
        canaries=[CANARY],
    )
    site.close()


@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract_of_plugins(check, subject):
    run_check(check, subject)


def test_a_request_that_was_under_way_when_the_plugin_was_killed_is_not_sent_again(tmp_path, authority, serving):
    asked, end = threading.Event(), threading.Event()

    def slow(_seen):
        asked.set()
        end.wait(WAIT_S)
        yield says()

    site = serving(slow, certificate=authority.file("localhost"))
    config = {"allow_hosts": [f"localhost:{site.port}"], "ca_file": str(authority.path)}
    entry = PluginEntry(name="http-actions", command=COMMAND, provides=(ID,), config=config)
    sent = request(
        "SendRequest",
        http_pb2.Request(url=f"https://localhost:{site.port}/", method="POST"),
        workflow_execution_id="e",
        reference_id="1",
    )
    with MemoryHost(tmp_path, entry) as host:

        def call():
            with pytest.raises(CapabilityError) as caught:
                host.registry.get_executable(ID).execute(sent, timeout_s=WAIT_S)
            return caught.value

        first = threading.Thread(target=call)
        first.start()
        assert asked.wait(WAIT_S)
        os.kill(host.plugins.states()[0].pid, signal.SIGKILL)
        first.join(WAIT_S)
        host.saw("ready", times=2)
        error = call()
        end.set()
    assert (error.name, error.message.partition(":")[0]) == ("Aborted", "OUTCOME_UNKNOWN")
    assert len(site.seen) == 1
