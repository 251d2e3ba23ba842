"""What a run was asked for, so that whoever asks for the same again finds it: a sealed digest in the header of the run.

Sealed, and not a keyed digest, so that it goes along to another key version. Headers of before have a keyed digest, 32
bytes, which only what was asked can be compared with: it is made anew from the journal where that says enough.
"""

import hashlib
import hmac
from collections.abc import Iterator

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import RUN_REQUESTS
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow

__all__ = ["is_request", "json_asked", "message_asked", "repeat_of", "request_again", "sealed_request"]

KEYED_BYTES = 32
"""What the header held before; a sealed digest is longer."""


def message_asked(message: any_pb2.Any) -> bytes:
    """What is asked for by whoever hands over the payload as a message."""
    return b"message|" + message.SerializeToString(deterministic=True)


def json_asked(text: bytes) -> bytes:
    """What is asked for by whoever hands over the payload as JSON."""
    return b"json|" + text


def repeat_of(parent_id: str, from_step: str) -> bytes:
    """What is asked for by whoever has a run repeated."""
    return f"repeat|{parent_id}|{from_step}".encode()


def sealed_request(keys: RecordKeys, header: RunRow, asked: bytes) -> bytes:
    """The column for a run of ``header`` that was ``asked`` for, under the key version of the run."""
    return _sealed(keys, header, hashlib.sha256(asked).digest())


def is_request(keys: RecordKeys, header: RunRow, asked: bytes) -> bool:
    """Whether the run of ``header``, which is authentic, was asked for so. Raises ``KeyMissing``."""
    if len(header.request_digest) == KEYED_BYTES:
        return hmac.compare_digest(header.request_digest, _keyed(keys, header, asked))
    if not header.request_digest:
        return False
    return hmac.compare_digest(_opened(keys, header), hashlib.sha256(asked).digest())


def request_again(keys: RecordKeys, header: RunRow, created: bytes, again: RunRow) -> bytes:
    """The column for ``again``, which is ``header`` under another key version; ``created`` is its first event.

    Empty where nobody can say any more what was asked: asked for again, it is another wish then. Raises ``KeyMissing``.
    """
    if not header.request_digest:
        return b""
    if len(header.request_digest) != KEYED_BYTES:
        return _sealed(keys, again, _opened(keys, header))
    for asked in _may_have_been(header, created):
        if hmac.compare_digest(header.request_digest, _keyed(keys, header, asked)):
            return sealed_request(keys, again, asked)
    return b""


def _may_have_been(header: RunRow, created: bytes) -> Iterator[bytes]:
    message, trigger, payload = journal_pb2.RunCreated(), sdk_pb2.Trigger(), http_pb2.Payload()
    try:
        message.ParseFromString(created)
        yield repeat_of(header.parent_run_id, message.from_step)
        trigger.ParseFromString(message.trigger)
        yield message_asked(trigger.payload)
        if trigger.payload.Unpack(payload):
            yield json_asked(payload.input)
    except DecodeError:
        # A run that others execute begins with what its client says, and was asked for by nobody here.
        return
    yield json_asked(b"")


def _sealed(keys: RecordKeys, header: RunRow, digest: bytes) -> bytes:
    return keys.seal(RUN_REQUESTS, (header.run_id,), digest, key_version=header.key_version)


def _opened(keys: RecordKeys, header: RunRow) -> bytes:
    return keys.open(RUN_REQUESTS, (header.run_id,), header.request_digest)


def _keyed(keys: RecordKeys, header: RunRow, asked: bytes) -> bytes:
    place = f"{header.workflow_id}|{len(header.event_id)}|{header.event_id}|".encode()
    return keys.fingerprint(RUN_REQUESTS, place + asked, key_version=header.key_version)
