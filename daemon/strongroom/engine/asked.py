"""What a step asked for, as its journal keeps it: whole, or as a digest where it is large and reaches nobody.

A guest may make as many calls that are refused as it likes, each as large as it likes; what was not sent need not be
known to anybody later, only told apart from something else.
"""

import hashlib
from typing import Final

from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["asked_for", "is_large", "is_same", "recorded_call", "recorded_fetch"]

KEPT_BYTES_MAX: Final = 4_096
"""Up to here a request is kept whole, whoever it is for."""
NAME_CHARS_MAX: Final = 200


def asked_for(request: sdk_pb2.CapabilityRequest | sdk_pb2.GetSecretsRequest) -> bytes:
    """What two equal requests have in common."""
    return request.SerializeToString(deterministic=True)


def is_large(asked: bytes) -> bool:
    """Whether a request is kept whole only when it is sent."""
    return len(asked) > KEPT_BYTES_MAX


def recorded_call(request: sdk_pb2.CapabilityRequest, asked: bytes, *, is_sent: bool) -> journal_pb2.StepCreated:
    """The content of ``step_created`` for a call."""
    if is_sent or not is_large(asked):
        return journal_pb2.StepCreated(request=asked)
    named = sdk_pb2.CapabilityRequest(
        id=request.id[:NAME_CHARS_MAX], method=request.method[:NAME_CHARS_MAX], callback_id=request.callback_id
    )
    return journal_pb2.StepCreated(request=asked_for(named), request_digest=_digest(asked))


def recorded_fetch(request: sdk_pb2.GetSecretsRequest, asked: bytes, *, is_sent: bool) -> journal_pb2.StepCreated:
    """The content of ``step_created`` for a fetch of secrets."""
    if is_sent or not is_large(asked):
        return journal_pb2.StepCreated(secrets_request=asked)
    # Never empty, so that it is known to be a fetch.
    named = sdk_pb2.GetSecretsRequest(callback_id=request.callback_id, requests=[sdk_pb2.SecretRequest()])
    return journal_pb2.StepCreated(secrets_request=asked_for(named), request_digest=_digest(asked))


def is_same(before: bytes, digest: bytes, asked: bytes) -> bool:
    """Whether a step that was recorded with the request ``before``, or its ``digest``, asked for the same."""
    return _digest(asked) == digest if digest else asked == before


def _digest(asked: bytes) -> bytes:
    return hashlib.sha256(asked).digest()
