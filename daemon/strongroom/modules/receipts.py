"""The receipt of a confidential execution, fetched from the plugin that executed it.

It is read here as far as keeping it demands: it must be a receipt, about this execution and its result. Whether it
holds is for whoever trusts it to find out, elsewhere: a host cannot vouch for what it executes.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.attest.assurance import CLASSES_OF, INSECURE_KINDS
from strongroom.attest.receipt import decode_receipt
from strongroom.attest.result import check_result
from strongroom.attest.runtime_data import decode_runtime_data
from strongroom.errors import CapabilityError, EvidenceRejected, StrongroomError
from strongroom.modules.capabilities import Executable
from strongroom.modules.confidential_faults import away, broken
from strongroom.modules.tees import CAPABILITY_ID
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.strongroom.plugin.v1 import backend_pb2

__all__ = ["KeptReceipt", "fetch_receipt", "read_receipt"]

RECEIPT_TIMEOUT_S: Final = 10.0
"""The plugin holds it; nothing is executed for it."""


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """A receipt as it came, with the class that it claims, whether its kind is a simulation, and the digest of the
    result that it is about."""

    encoded: bytes
    assurance: str
    is_insecure: bool
    result_sha256: bytes

    def covered(self, came: bytes) -> bytes | None:
        """``came`` when the receipt is about these bytes."""
        return came if hashlib.sha256(came).digest() == self.result_sha256 else None

    def checked(self, result: bytes | None) -> bytes | None:
        """``result``, where there is something to compare. Raises ``PluginFault`` when it is not what this is about."""
        if result is not None and self.covered(result) is None:
            raise broken(
                "the receipt is about another result than the one that came",
                "SR-CWF-017",
                f"it names sha256 {self.result_sha256.hex()}, and the result has {hashlib.sha256(result).hexdigest()}",
            )
        return result


def fetch_receipt(capability: Executable, execution_id: str, *, is_demanded: bool) -> KeptReceipt | None:
    """What the execution that has just ended left behind; nothing where the plugin knows no receipts.

    ``is_demanded``: the execution had a result, so it was attested. Raises ``Unavailable`` when the receipt is lost
    all the same, and ``PluginFault`` when it is none, or is about another execution.
    """
    question = capabilities_pb2.CapabilityRequest(method="Receipt", capabilityId=CAPABILITY_ID)
    question.payload.Pack(backend_pb2.ReceiptRequest(execution_id=execution_id))
    try:
        answer = capability.execute(question, timeout_s=RECEIPT_TIMEOUT_S)
    except StrongroomError as error:
        if isinstance(error, CapabilityError) and error.name == "Unimplemented":
            # A plugin of another maker.
            return None
        raise away("could not be asked for the receipt of an execution that it ended", error) from error
    found = backend_pb2.ReceiptResponse()
    try:
        if not answer.payload.Unpack(found):
            raise broken(
                "the receipt of the execution is none",
                "SR-CWF-014",
                f"the answer is a {answer.payload.type_url or 'nothing'}",
            )
    except DecodeError as error:
        raise broken("the receipt of the execution is none", "SR-CWF-014", "the answer is damaged") from error
    if found.receipt:
        return read_receipt(found.receipt, execution_id)
    if not is_demanded:
        return None
    # It was restarted since: nobody could show any more what the result rests on.
    lost = CapabilityError("Public", "System", "Unavailable", "it has none of this execution any more")
    raise away("lost the receipt of an execution that it ended", lost)


def read_receipt(untrusted: bytes, execution_id: str) -> KeptReceipt:
    """``untrusted`` as a receipt of that execution. Raises ``PluginFault``."""
    try:
        receipt = decode_receipt(untrusted)
        data = decode_runtime_data(receipt.runtime_data)
        result = check_result(receipt.result, sig_pub=data.sig_pub)
    except EvidenceRejected as error:
        raise broken("the receipt of the execution is none", "SR-CWF-014", f"{error.code} {error}") from error
    if {data.execution.execution_id, result.execution_id} != {execution_id}:
        named = next(each for each in (data.execution, result) if each.execution_id != execution_id).execution_id[:80]
        raise broken("the receipt is about another execution", "SR-CWF-015", f"it names {named!r}")
    kind = receipt.evidence.kind
    if kind != data.kind or receipt.assurance not in CLASSES_OF.get(kind, ()):
        raise broken(
            "the receipt contradicts itself",
            "SR-CWF-016",
            f"its evidence is {kind[:40]!r}, its runtime data say {data.kind[:40]!r}, its class {receipt.assurance!r}",
        )
    return KeptReceipt(untrusted, receipt.assurance, kind in INSECURE_KINDS, result.result_sha256)
