"""Every error of the tree has a status, and its details tell what to do."""

import inspect

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from strongroom import errors
from strongroom.services.errors import CAPABILITY_CODES, code_of, status_of

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.StrongroomError)]


def made(kind):
    if kind is errors.Tampered:
        return kind("row", table="runs")
    if kind is errors.EvidenceRejected:
        return kind("SR-TEST-001", "a check", got="this", wanted="that", fix="do this")
    if kind is errors.PluginAway:
        return kind("vault", "failed", "no key file")
    if kind is errors.RuntimeDecryptionError:
        return kind(
            "SR-TEST-001", "what happened", why="the reason", fix="do this", byte_length=3, format_prefix="encr"
        )
    if kind is errors.CapabilityError:
        return kind("Public", "System", "Internal", "boom")
    return kind("SR-TEST-001", "what happened", why="the reason", fix="do this", field="a.b")


def details(error, kind):
    status = status_of(error)
    trailing = dict(status.trailing_metadata)["grpc-status-details-bin"]
    for each in status_pb2.Status.FromString(trailing).details:
        if each.Is(kind.DESCRIPTOR):
            message = kind()
            each.Unpack(message)
            return message
    return None


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_every_error_has_a_code_a_reason_and_help(kind):
    error = made(kind)
    info = details(error, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (error.code, "strongroom")
    assert info.metadata.get("fix", "") == error.fix
    assert status_of(error).code is code_of(error)


def test_only_our_own_bugs_are_internal():
    internal = {kind for kind in KINDS if code_of(made(kind)) is grpc.StatusCode.INTERNAL}
    assert internal == {errors.Internal, errors.StrongroomError}


def test_a_wrong_field_is_a_violation_and_a_limit_a_quota():
    violation = details(made(errors.InvalidInput), error_details_pb2.BadRequest).field_violations[0]
    assert violation.field == "a.b"
    limit = errors.LimitExceeded("SR-TEST-002", "too big", size=2, limit=1, setting="limits.x")
    assert details(limit, error_details_pb2.QuotaFailure).violations[0].subject == "limits.x"


def test_a_refusal_that_may_pass_says_when_to_try_again():
    busy = errors.Unavailable("SR-TEST-003", "busy", retry_ms=1500)
    assert details(busy, error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() == 1500


@pytest.mark.parametrize(("name", "code"), CAPABILITY_CODES.items())
def test_a_capabilitys_own_code_word_decides(name, code):
    assert code_of(errors.CapabilityError("Public", "User", name, "x")) is code


def test_a_code_word_that_is_not_known_is_unknown():
    assert code_of(errors.CapabilityError("Public", "User", "ConsensusFailed", "x")) is grpc.StatusCode.UNKNOWN
