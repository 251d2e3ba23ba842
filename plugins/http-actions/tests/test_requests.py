"""Each rule about a request, at its border: what is refused is refused before anything is looked up or sent."""

import pytest
from google.protobuf import json_format

from strongroom.plugin import Call, CapabilityError
from strongroom.plugin.messages import basic_action_pb2, capabilities_pb2, http_pb2
from strongroom_http_actions.wish import wish_of
from tests.fakes.web_site import says

URL = "https://site.example/"


def request(**fields):
    return http_pb2.Request(**{"url": URL, "method": "GET", **fields})


def multi(**values):
    return {"multi_headers": {name: http_pb2.HeaderValues(values=given) for name, given in values.items()}}


def wish(made):
    return wish_of(made, bytes_max=10_000)


def seconds(**fields):
    made = request()
    for name, value in fields.items():
        part = made.cache_settings.max_age if name == "max_age" else made.timeout
        part.seconds, part.nanos = value if isinstance(value, tuple) else (value, 0)
    return made


INVALID = {
    "no method": (request(method=""), "method must be one of GET, POST, PUT, DELETE, PATCH"),
    "HEAD": (request(method="HEAD"), "method must be one of"),
    "CONNECT": (request(method="CONNECT"), "method must be one of"),
    "method with a break": (request(method="GET\r\nX: y"), "method must be one of"),
    "no url": (request(url=""), "url is empty"),
    "both header fields": (
        request(headers={"A": "1"}, **multi(B=["2"])),
        "request must set either Headers or MultiHeaders, not both",
    ),
    "line break in a value": (request(headers={"A": "1\r\nB: 2"}), "the value of A holds control characters"),
    "line feed in a value": (request(**multi(A=["1", "2\n"])), "the value of A holds control characters"),
    "NUL in a value": (request(headers={"A": "\0"}), "the value of A holds control characters"),
    "line break in a name": (request(headers={"A\r\nB": "1"}), "a name is not a token"),
    "colon in a name": (request(headers={"A:": "1"}), "a name is not a token"),
    "space in a name": (request(headers={"A ": "1"}), "a name is not a token"),
    "empty name": (request(headers={"": "1"}), "a name is not a token"),
    "letter beyond ASCII in a name": (request(headers={"Ä": "1"}), "a name is not a token"),
    "negative timeout": (seconds(timeout=-1), "timeout is not a duration of zero or more"),
    "nanoseconds below zero": (seconds(timeout=(0, -1)), "timeout is not a duration"),
    "too many nanoseconds": (seconds(timeout=(0, 2_000_000_000)), "timeout is not a duration"),
    "negative age": (seconds(max_age=-1), "cache_settings.max_age is not a duration"),
    "mtls without key": (
        request(mtls=http_pb2.MtlsAuth(certificate=b"x")),
        "mtls needs both private_key and certificate",
    ),
    "mtls without certificate": (request(mtls=http_pb2.MtlsAuth(private_key=b"x")), "mtls needs both"),
    "mtls with neither": (request(mtls=http_pb2.MtlsAuth()), "mtls needs both"),
    "mtls without TLS": (
        request(url="http://a/", mtls=http_pb2.MtlsAuth(private_key=b"x", certificate=b"x")),
        "mtls needs an https url",
    ),
}


@pytest.mark.parametrize(("made", "reason"), INVALID.values(), ids=INVALID)
def test_a_wrong_request_is_refused_with_the_reason(made, reason):
    with pytest.raises(CapabilityError, match=reason) as caught:
        wish(made)
    assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "User", "InvalidArgument")


OURS = ["Host", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect"]
OURS += ["Proxy-Authorization", "Proxy-Connection", "proxy-authenticate", "HTTP2-Settings"]


@pytest.mark.parametrize("name", OURS)
def test_a_field_about_the_connection_is_refused(name):
    for made in (request(headers={name: "x"}), request(**multi(**{name: ["x"]}))):
        with pytest.raises(CapabilityError, match=f"headers: {name} is set by this host"):
            wish(made)


TOO_MUCH = {
    "timeout": (seconds(timeout=(10, 1)), "timeout: .* s, the limit is 10 s"),
    "age": (seconds(max_age=601), "cache_settings.max_age: 601 s, the limit is 600 s"),
    "fields": (request(**multi(A=["x"] * 101)), "headers: 101 fields, the limit is 100"),
    "body": (request(body=bytes(10_001)), r"request: \d+ bytes, the limit is 10000|request: \d+ bytes as JSON"),
}


@pytest.mark.parametrize(("made", "reason"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_is_refused_by_size_and_limit(made, reason):
    with pytest.raises(CapabilityError, match=reason) as caught:
        wish(made)
    assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "User", "LimitExceeded")


def test_the_size_is_that_of_the_whole_request_as_json():
    made = request(headers={"A": "é" * 10})
    overhead = len(json_format.MessageToJson(made, indent=None, ensure_ascii=False).encode()) + len(', "body": ""')
    # Three bytes are four characters in JSON.
    made.body = bytes((10_000 - overhead) // 4 * 3)
    assert len(wish(made).body) > 7_000
    made.body += bytes(3)
    with pytest.raises(CapabilityError, match="bytes as JSON, the limit is 10000"):
        wish(made)


@pytest.mark.parametrize(
    ("made", "timeout_s"),
    [(request(), 5), (seconds(timeout=0), 5), (seconds(timeout=10), 10), (seconds(timeout=(0, 1)), 1e-9)],
)
def test_a_timeout_is_five_seconds_unless_it_is_given(made, timeout_s):
    assert wish(made).timeout_s == timeout_s


def test_another_payload_is_refused(rig):
    packed = capabilities_pb2.CapabilityRequest()
    packed.payload.Pack(basic_action_pb2.Inputs())
    call = Call(metadata=packed.metadata, payload=packed.payload, method="SendRequest", timeout_s=1)
    with pytest.raises(CapabilityError, match="the payload must be capabilities.networking.http.v1alpha.Request"):
        rig().action.send_request(call)


def test_a_request_shows_no_secret_in_its_text():
    made = wish(
        request(
            headers={"Authorization": "canary"},
            body=b"canary",
            mtls=http_pb2.MtlsAuth(private_key=b"canary", certificate=b"canary"),
        )
    )
    assert "canary" not in repr(made)


def test_a_client_certificate_is_shown(serving, rig, url, authority):
    site = serving(says(200, b"known"), clients=authority.path)
    assert rig(site).send(url(site), mtls=authority.issue("client.example")).body == b"known"
    assert site.seen[0].client == "client.example"


@pytest.mark.parametrize("wrong", ["garbage", "swapped", "of another"])
def test_a_client_certificate_that_cannot_be_used_is_refused(serving, rig, url, authority, wrong):
    certificate, key = authority.issue("client.example")
    _, other = authority.issue("other.example")
    site = serving()
    parts = {"garbage": (b"x", b"y"), "swapped": (b"x", certificate), "of another": (certificate, other)}[wrong]
    del key
    with pytest.raises(CapabilityError, match="mtls: certificate and private_key must be PEM") as caught:
        rig(site).send(url(site), mtls=parts)
    assert caught.value.name == "InvalidArgument"


def test_requests_with_a_client_certificate_are_three_and_then_one_in_thirty_seconds(serving, rig, url, authority):
    site = serving(clients=authority.path)
    made, key = rig(site), authority.issue("client.example")
    for _ in range(3):
        made.send(url(site), mtls=key)
    with pytest.raises(
        CapabilityError, match="requests with mtls: one every 30 s and 3 at once; try again in"
    ) as caught:
        made.send(url(site), mtls=key)
    assert caught.value.name == "LimitExceeded"
    assert made.send(url(site), mtls=key, owner="bb" * 20).status_code == 200
