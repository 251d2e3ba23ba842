"""Where the key of a run comes from, and that a missing one is not taken for a run without encryption."""

import json

import pytest

from strongroom.crypto.base64_text import encode_base64
from strongroom.crypto.encr import run_key
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput, Misconfigured, Unavailable
from strongroom.interop.key_lookup import KeyLookup, RunRecord

DEPLOYMENT = Key(bytes(range(32)))
OWN = RunRecord("wrun_1", "dpl_own")
OTHER = RunRecord("wrun_1", "dpl_other")
UNKNOWN = RunRecord("wrun_1")
DERIVED = run_key(DEPLOYMENT, "prj", "wrun_1")._raw
FETCHED = b"\x07" * 32


class Service:
    """Answers as told, and remembers what it was asked."""

    def __init__(self, body=b"", status=200):
        self.status, self.body = status, body
        self.asked = []

    def get(self, path, query, *, token):
        self.asked.append((path, dict(query), token))
        return self.status, self.body


def answer(key):
    return json.dumps({"key": key}).encode()


def lookup(service=None, **changes):
    parts = {"project_id": "prj", "deployment_id": "dpl_own", "deployment_key": DEPLOYMENT, "token": "t"}
    return KeyLookup(**{**parts, "service": service, **changes})


@pytest.mark.parametrize("record", [OWN, UNKNOWN], ids=["own", "unknown"])
def test_in_its_runtime_the_key_is_derived_and_nobody_is_asked(record):
    service = Service()
    assert lookup(service).run_key(record)._raw == DERIVED
    assert service.asked == []


def test_the_key_of_another_deployment_is_fetched():
    service = Service(answer(encode_base64(FETCHED)))
    assert lookup(service).run_key(OTHER)._raw == FETCHED
    assert service.asked == [("/v1/workflow/run-key/dpl_other", {"projectId": "prj", "runId": "wrun_1"}, "t")]
    lookup(service, team_id="team_1").run_key(OTHER)
    assert service.asked[1][1]["teamId"] == "team_1"


def test_the_name_of_a_deployment_cannot_lead_elsewhere():
    service = Service(answer(encode_base64(FETCHED)))
    lookup(service).run_key(RunRecord("wrun_1", "../../keys?all=1#x"))
    assert service.asked[0][0] == "/v1/workflow/run-key/..%2F..%2Fkeys%3Fall%3D1%23x"


@pytest.mark.parametrize(
    ("changes", "record"),
    [
        ({"deployment_key": None}, OWN),
        ({"deployment_id": None}, UNKNOWN),
        ({"service": Service(answer(None))}, OTHER),
    ],
    ids=["no deployment key", "deployment unknown", "the service has none"],
)
def test_a_run_without_a_key_is_refused_unless_it_is_said(changes, record):
    assert lookup(**changes).run_key(record, strict=False) is None
    with pytest.raises(InvalidInput, match="run wrun_1 has no key"):
        lookup(**changes).run_key(record)


@pytest.mark.parametrize("status", [199, 301, 401, 403, 404, 500])
def test_a_refusal_is_an_error_and_not_a_missing_key(status):
    service = Service(b"secret of the far side", status)
    for strict in (True, False):
        with pytest.raises(Unavailable) as caught:
            lookup(service).run_key(OTHER, strict=strict)
        assert str(caught.value) == f"Failed to fetch run key for wrun_1 (deployment dpl_other): HTTP {status}"


@pytest.mark.parametrize("missing", [{"token": None}, {"token": ""}, {}], ids=["no token", "empty token", "no service"])
def test_without_a_token_or_a_service_nothing_is_asked(missing):
    service = Service() if missing else None
    with pytest.raises(Misconfigured, match="^Cannot fetch run key: no OIDC token or VERCEL_TOKEN available$"):
        lookup(service, **missing).run_key(OTHER, strict=False)
    assert service is None or service.asked == []


BODIES = {
    "empty": b"",
    "no JSON": b"<html>",
    "no object": b"[1]",
    "no key": b"{}",
    "a number": answer(7),
    "not base64": answer("!!!"),
    "too short": answer(encode_base64(bytes(31))),
    "too long": answer(encode_base64(bytes(33))),
    "half a character": b'{"key": "\xff"}',
    "deep": b"[" * 4000,
    "large": answer(encode_base64(FETCHED)) + b" " * 5000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_another_answer_is_an_error_that_does_not_show_it(body):
    with pytest.raises(Unavailable) as caught:
        lookup(Service(body)).run_key(OTHER, strict=False)
    assert caught.value.code == "SR-INTEROP-030"
    assert caught.value.details == {}


def test_it_shows_no_key_and_no_token():
    assert repr(lookup(token="top secret")) == "<KeyLookup of prj>"
