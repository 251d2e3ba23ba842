"""Calls by hand: the payload names its message or the method is known, and what is not there is said with what is."""

import json

import pytest
from google.protobuf import any_pb2, timestamp_pb2, wrappers_pb2

from strongroom.engine.registration import Owners
from strongroom.errors import Forbidden, InvalidInput, NotFound, PluginAway
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.strongroom.kvstore.v1 import kvstore_pb2
from strongroom.pb.strongroom.v1 import capability_pb2
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.services.capabilities import CapabilityService
from strongroom.services.capability_requests import REQUESTS, request_of

GREETING = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "Ada"}
OWN = "price-feed@1.0.0"


class Echo:
    def execute(self, request, *, timeout_s):
        return capabilities_pb2.CapabilityResponse(payload=request.payload)


class Context:
    def time_remaining(self):
        return 5.0


@pytest.fixture
def service():
    registry = Registry()
    for capability_id in (OWN, "kvstore@1.0.0", "http-actions@1.0.0-alpha", "vault@1.0.0"):
        registry.add(Offer(id=capability_id, kind="action", description="", plugin="p", executable=Echo()))
    return CapabilityService(registry, Owners("0" * 40))


def call(service, capability_id, method, payload=None):
    document = b"" if payload is None else payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    request = capability_pb2.CapabilityServiceExecuteRequest(capability_id=capability_id, method=method, json=document)
    return service.Execute(request, Context())


def test_a_method_of_a_plugin_of_ones_own_takes_a_message_that_the_payload_names(service):
    answer = call(service, OWN, "Greet", GREETING)
    text = wrappers_pb2.StringValue()
    assert answer.message.Unpack(text)
    assert text.value == "Ada"
    assert json.loads(answer.json) == GREETING


@pytest.mark.parametrize("name", ["google.protobuf.StringValue", "other.example/google.protobuf.StringValue"])
def test_a_type_is_known_by_its_full_name_whatever_stands_before_it(service, name):
    assert call(service, OWN, "Greet", {**GREETING, "@type": name}).message.type_url == GREETING["@type"]


@pytest.mark.parametrize(
    ("capability_id", "method", "document", "expected"),
    [
        ("kvstore@1.0.0", "Get", {"key": "k"}, kvstore_pb2.GetRequest(key="k")),
        ("kvstore@1.0.0", "Put", {"key": "k", "value": "eA=="}, kvstore_pb2.PutRequest(key="k", value=b"x")),
        ("http-actions@1.0.0-alpha", "SendRequest", {"url": "https://x"}, http_pb2.Request(url="https://x")),
        (
            OWN,
            "At",
            {"@type": "/google.protobuf.Timestamp", "value": "1970-01-01T00:00:07Z"},
            timestamp_pb2.Timestamp(seconds=7),
        ),
        (OWN, "Other", {"@type": "x/strongroom.kvstore.v1.GetRequest", "key": "k"}, kvstore_pb2.GetRequest(key="k")),
    ],
)
def test_requests_of_known_methods_and_of_named_types(service, capability_id, method, document, expected):
    found = type(expected)()
    assert call(service, capability_id, method, document).message.Unpack(found)
    assert found == expected


def test_every_method_in_the_table_takes_an_empty_object():
    for (name, method), kind in REQUESTS.items():
        packed = any_pb2.Any()
        packed.Pack(kind())
        assert request_of(f"{name}@1.0.0", method, b"") == packed


@pytest.mark.parametrize("payload", [None, GREETING, b"no JSON"])
def test_a_capability_that_is_not_there_is_said_first_with_those_that_are(service, payload):
    with pytest.raises(NotFound, match=r"there is no capability 'price-fed@1\.0\.0'") as refused:
        call(service, "price-fed@1.0.0", "Greet", payload)
    assert "offered are http-actions@1.0.0-alpha, kvstore@1.0.0, price-feed@1.0.0, vault@1.0.0" in str(
        refused.value.why
    )


def test_a_method_that_is_not_there_is_said_with_those_that_are(service):
    with pytest.raises(InvalidInput, match="kvstore@1.0.0 has no method 'Gett'") as refused:
        call(service, "kvstore@1.0.0", "Gett", {"key": "k"})
    assert refused.value.why == "its methods are Delete, Drop, Get, Increment, List, Put, Workflows"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"value": "Ada"}, "SR-CAP-003"),
        ({"@type": "type.googleapis.com/feed.v1.Pair", "value": "Ada"}, "SR-CAP-005"),
        ({"@type": "type.googleapis.com/strongroom.v1.RegisterRequest"}, "SR-CAP-005"),
        ({"@type": 7}, "SR-CAP-005"),
        ({"@type": ""}, "SR-CAP-005"),
        ({**GREETING, "value": 7}, "SR-CAP-004"),
        ({"@type": GREETING["@type"]}, "SR-CAP-004"),
        (b"[" * 100_000, "SR-CAP-004"),
        (b"\xff", "SR-CAP-004"),
        ([1], "SR-CAP-003"),
    ],
)
def test_payloads_that_cannot_be_read_are_refused(service, payload, code):
    with pytest.raises(InvalidInput) as refused:
        call(service, OWN, "Greet", payload)
    assert refused.value.code == code


def test_naming_the_type_opens_nothing_that_only_the_host_may_call(service):
    with pytest.raises(Forbidden):
        call(service, "vault@1.0.0", "vault.secrets.get", {"@type": "x/vault.GetSecretsRequest"})


def test_what_a_failed_plugin_would_offer_is_no_missing_capability():
    registry = Registry()
    state = PluginState(name="vault", kind="process", state=Lifecycle.FAILED, last_error="no key file")
    registry.ask_states_of(lambda _plugin: None, {"vault@1.0.0": state}.get)
    service = CapabilityService(registry, Owners("0" * 40))
    with pytest.raises(PluginAway, match="plugin vault is failed") as caught:
        call(service, "vault@1.0.0", "vault.secrets.list")
    assert (caught.value.code, caught.value.why) == ("SR-CAP-008", "no key file")
    with pytest.raises(NotFound) as missing:
        call(service, "other@1.0.0", "x")
    assert missing.value.code == "SR-CAP-007"
