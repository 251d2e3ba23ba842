"""What a runner sends, decoded and compared with what the host stamped on the call. Nothing is decided here.

The host's stamp is not what a release rests on: the evidence binds the runner to its execution. It keeps workflows of
this host from asking in each other's name.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from strongroom.attest.codes import BINDING
from strongroom.attest.evidence import Evidence, malformed
from strongroom.attest.fields import TEXT_BYTES_MAX
from strongroom.attest.runtime_data import RuntimeData, check_possession, decode_runtime_data
from strongroom.plugin import Call, EvidenceRejected
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_vault.admission import caller_of

__all__ = ["ReleaseAsked", "check_asker", "check_ids", "read_release"]

_OWNER: Final = re.compile(r"0x[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class ReleaseAsked:
    """Runtime data whose key signed them, and the evidence, which nobody has looked at yet."""

    data: RuntimeData
    encoded: bytes
    untrusted_evidence: Evidence

    @property
    def sha256(self) -> bytes:
        """The digest of the runtime data, by which a repeat is known."""
        return hashlib.sha256(self.encoded).digest()

    @property
    def owner(self) -> str:
        """40 lower-case hex digits."""
        return self.data.execution.owner.removeprefix("0x")


def read_release(request: strongroom_vault_pb2.ReleaseRequest) -> ReleaseAsked:
    """The request, canonical and signed by the key in it. Raises ``EvidenceRejected``."""
    data = decode_runtime_data(request.runtime_data)
    check_possession(data, request.pop_sig)
    execution = data.execution
    check_ids("runtime-data execution", execution.execution_id, execution.workflow_id, execution.owner)
    found = request.evidence
    evidence = Evidence(found.kind, found.media_type, found.body, tuple(found.endorsements))
    if evidence.kind != data.kind:
        raise EvidenceRejected(BINDING, "evidence kind", got=repr(evidence.kind[:40]), wanted=data.kind)
    return ReleaseAsked(data, request.runtime_data, evidence)


def check_ids(place: str, execution_id: str, workflow_id: str, owner: str) -> None:
    """Raise ``EvidenceRejected`` for ids that runtime data could not carry, and for an owner in another spelling."""
    for name, text in (("execution_id", execution_id), ("workflow_id", workflow_id)):
        if not 1 <= len(text.encode()) <= TEXT_BYTES_MAX:
            raise malformed(f"{place} {name}", got=f"{len(text.encode())} bytes", wanted=f"1 to {TEXT_BYTES_MAX}")
    if not _OWNER.fullmatch(owner):
        raise malformed(f"{place} owner", got="another spelling", wanted="0x and 40 lower-case hex digits")


def check_asker(call: Call, execution_id: str, workflow_id: str, owner: str) -> None:
    """Raise ``EvidenceRejected`` when the host stamped another workflow, execution or owner on the call."""
    caller, metadata = caller_of(call), call.metadata
    stamped = (
        ("workflow_id", metadata.workflow_id, workflow_id, True),
        ("execution_id", metadata.workflow_execution_id, execution_id, False),
        ("owner", f"0x{caller}" if caller else "", owner, False),
    )
    for name, got, wanted, is_needed in stamped:
        if got != wanted and (got or is_needed):
            raise EvidenceRejected(BINDING, f"call {name}", got=got or "none stamped by the host", wanted=wanted)
