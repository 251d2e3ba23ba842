"""Reports are numbered per workflow, without gaps or repeats, and a call that is sent again gets the report it got.

The number and the answer stand in one record, so they are on disk together or not at all.
"""

import re
import threading
from collections.abc import Callable
from typing import Final

from strongroom.plugin import Call, CapabilityError, Repeats, Store, repeat_key, request_digest
from strongroom.plugin.messages import consensus_stored_pb2, sdk_pb2

__all__ = ["Numbering"]

LOCKS: Final = 64  # workflows that share one wait for each other, and nothing worse
_OWNER: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{40})")


class Numbering:
    """The last report of each workflow, in the store of the host."""

    def __init__(self, store: Store, repeats: Repeats) -> None:
        self._store = store
        self._repeats = repeats
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def report(
        self, call: Call, payload: bytes, header: bytes, sign: Callable[[bytes, int], sdk_pb2.ReportResponse]
    ) -> sdk_pb2.ReportResponse:
        """The remembered answer, or that of ``sign(header, seq_nr)``, which is on disk when this returns."""
        owner = _OWNER.fullmatch(call.metadata.workflow_owner)
        place = f"report/{call.metadata.workflow_id or 'host'}"
        key, digest = repeat_key(call), request_digest(call)
        with self._locks[hash((owner and owner[1], place)) % LOCKS]:
            at = owner[1].lower() if owner else ""
            blob = self._store.get(place, owner=at)
            last = consensus_stored_pb2.LastReport.FromString(blob or b"")
            made = self._made(key, last)
            if made is None:
                response = sign(header, last.seq_nr + 1)
                self._repeats.keep(last.repeat_key, last.made.SerializeToString())
                made = _without_payload(response, header, digest)
                entry = consensus_stored_pb2.LastReport(seq_nr=response.seq_nr, repeat_key=key, made=made)
                self._store.put(place, entry.SerializeToString(), owner=at)
                return response
        if made.request_digest != digest:
            raise CapabilityError(
                "Public", "User", "FailedPrecondition", "this step was sent before with another request"
            )
        made.response.raw_report = made.header + payload
        return made.response

    def _made(self, key: str, last: consensus_stored_pb2.LastReport) -> consensus_stored_pb2.MadeReport | None:
        if key and last.repeat_key == key:
            return last.made
        blob = self._repeats.find(key)
        return None if blob is None else consensus_stored_pb2.MadeReport.FromString(blob)


def _without_payload(response: sdk_pb2.ReportResponse, header: bytes, digest: bytes) -> consensus_stored_pb2.MadeReport:
    made = consensus_stored_pb2.MadeReport(request_digest=digest, header=header, response=response)
    made.response.ClearField("raw_report")
    return made
