"""Payloads of guests that are read here are bounded first; and what was granted in an earlier execution is charged."""

import pytest
from google.protobuf import any_pb2

from strongroom.modules import restrictions
from strongroom.modules.restrictions import (
    HTTP_PAYLOAD_BYTES_MAX,
    VAULT_PAYLOAD_BYTES_MAX,
    Ledger,
    named_secrets,
)
from strongroom.pb.capabilities.networking.confidentialhttp.v1alpha import confidential_http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.vault import vault_pb2


def prefixed(text, count):
    return sdk_pb2.SecretRestriction(prefixed_secret=sdk_pb2.SecretPrefixRestriction(prefix=text, max_secrets=count))


@pytest.mark.parametrize(
    ("message", "bytes_max"),
    [
        (vault_pb2.GetSecretsRequest, VAULT_PAYLOAD_BYTES_MAX),
        (confidential_http_pb2.ConfidentialHTTPRequest, HTTP_PAYLOAD_BYTES_MAX),
    ],
)
def test_a_payload_that_is_too_large_is_denied_and_never_parsed(message, bytes_max, monkeypatch):
    payload = any_pb2.Any(type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}")
    payload.value = b"\x0a\x00" * (bytes_max // 2 + 1)
    monkeypatch.setattr(restrictions, "vault_pb2", None)
    monkeypatch.setattr(restrictions, "confidential_http_pb2", None)
    request = sdk_pb2.CapabilityRequest(id="x@1.0.0", method="M", payload=payload)
    assert named_secrets(request) is None
    entries = sdk_pb2.SecretsRestritions(restrictions=[prefixed("", 9)], max_secrets=9)
    assert Ledger(sdk_pb2.Restrictions(secrets=entries)).take_call(request)


def test_what_was_granted_before_is_charged_whatever_is_left_and_never_below_nothing():
    call = sdk_pb2.CapabilityRequest(id="a@1.0.0", method="M")
    method = sdk_pb2.MethodRestriction(id="a@1.0.0", method="M", max_calls=2)
    book = Ledger(
        sdk_pb2.Restrictions(
            capabilities=sdk_pb2.CapabilityRestrictions(
                restrictions=[sdk_pb2.CapabilityRestriction(method=method)], max_total_calls=3
            ),
            secrets=sdk_pb2.SecretsRestritions(restrictions=[prefixed("k", 2), prefixed("x", 9)], max_secrets=2),
        )
    )
    for _ in range(3):
        book.charge_call(call)
        book.charge_secret(sdk_pb2.SecretRequest(id="k1"))
    assert book.take_call(call)
    assert book.take_secret(sdk_pb2.SecretRequest(id="k2"))
    assert book.take_secret(sdk_pb2.SecretRequest(id="x"))
