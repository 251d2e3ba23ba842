"""The action over a resolver that tests control, and sites on the loopback with certificates that it trusts."""

import logging
import ssl
import threading
from functools import partial

import pytest

from strongroom.plugin import Call
from strongroom.plugin.messages import capabilities_pb2, http_pb2
from strongroom_http_actions.action import HttpActions
from strongroom_http_actions.once import Once
from strongroom_http_actions.policy import Policy
from strongroom_http_actions.rates import Places, Rate
from strongroom_http_actions.resolver import Resolver
from strongroom_http_actions.rows import Rows
from strongroom_http_actions.sender import Sender
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.web_site import Authority, Site, says

OWNER = "aa" * 20
NAME = "site.example"


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority):
    return authority.file(NAME)


@pytest.fixture
def serving(certificate):
    """Starts sites; ``answer`` is what is said to everybody, or a function of the request."""
    sites = []

    def start(answer=None, *, certificate=certificate, **arguments):
        script = answer if callable(answer) else lambda _seen: iter([says() if answer is None else answer])
        sites.append(Site(script, certificate=certificate, **arguments))
        return sites[-1]

    yield start
    for site in sites:
        site.close()


class Rig:
    """One plugin's life over ``store``; ``names`` is what the resolver knows, and ``asked`` what it was asked."""

    def __init__(self, authority, *, allow=(), networks=(), store=None, **settings):
        self.store = store if store is not None else MemoryStore()
        self.names = {NAME: ["127.0.0.1"]}
        self.asked = []
        policy = Policy.of(allow, networks)
        log = logging.getLogger("http-actions")
        self.resolver = Resolver(self._lookup)
        sender = Sender(
            policy,
            self.resolver,
            partial(ssl.create_default_context, cafile=authority.path),
            redirects_max=settings.get("redirects_max", 0),
            response_bytes_max=settings.get("response_bytes_max", 100_000),
        )
        self.action = HttpActions(
            policy,
            sender,
            Once(Rows(self.store, log), log, resend_unknown=settings.get("resend_unknown", False)),
            Places(total=settings.get("total", 8), each=settings.get("each", 8)),
            Rate("requests", every_s=0.001, burst=settings.get("burst", 1000)),
            request_bytes_max=10_000,
        )

    def _lookup(self, host, port):
        self.asked.append(host)
        addresses = self.names.get(host, [])
        return addresses() if callable(addresses) else addresses

    def send(self, url, *, owner=OWNER, workflow="w", execution="", reference="", within_s=30.0, mtls=None, **fields):
        """The response to one call; fields are those of the request message."""
        request = http_pb2.Request(url=url, method=fields.pop("method", "GET"))
        for name, values in fields.pop("multi_headers", {}).items():
            request.multi_headers[name].values.extend(values)
        if "timeout_s" in fields:
            request.timeout.FromNanoseconds(int(fields.pop("timeout_s") * 1e9))
        if "max_age_s" in fields:
            request.cache_settings.max_age.FromSeconds(fields.pop("max_age_s"))
        request.cache_settings.store = fields.pop("store", False)
        if mtls is not None:
            request.mtls.SetInParent()
            request.mtls.certificate, request.mtls.private_key = mtls
        request.MergeFrom(http_pb2.Request(**fields))
        packed = capabilities_pb2.CapabilityRequest(
            metadata={
                "workflow_owner": owner,
                "workflow_id": workflow,
                "workflow_execution_id": execution,
                "reference_id": reference,
            }
        )
        packed.payload.Pack(request)
        call = Call(metadata=packed.metadata, payload=packed.payload, method="SendRequest", timeout_s=within_s)
        return self.action.send_request(call)


@pytest.fixture
def rig(authority):
    """Makes rigs: ``rig(site, …)`` may reach ``site`` under NAME."""
    made = []

    def make(*sites, allow=(), **settings):
        listed = [f"{NAME}:{site.port}" for site in sites]
        made.append(Rig(authority, allow=[*listed, *allow], **settings))
        return made[-1]

    yield make
    for rig in made:
        rig.resolver.close()


@pytest.fixture
def url():
    return lambda site, path="/": f"https://{NAME}:{site.port}{path}"


@pytest.fixture
def together():
    """Runs functions at once and returns what they returned or raised."""

    def run(*jobs):
        results = [None] * len(jobs)

        def one(number, job):
            try:
                results[number] = job()
            except Exception as error:
                results[number] = error

        threads = [threading.Thread(target=one, args=pair) for pair in enumerate(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return results

    return run
