"""The end of an attested execution: the result is signed by its key, and the receipt ties it to the evidence."""

import hashlib

from strongroom.attest.receipt import NATIVE, Receipt
from strongroom.attest.result import Call, Result, sign_result
from strongroom_confidential_workflows.enclave.attesting import Attested

__all__ = ["FUEL", "receipt_of"]

FUEL = 0
"""The engine ends guests by the clock and counts no instructions."""


def receipt_of(attested: Attested, *, status: str, result: bytes, calls: tuple[Call, ...]) -> bytes:
    """The encoded receipt. ``result`` are the bytes that leave the enclave, none when there is no result.

    Raises ``EvidenceRejected`` for what no receipt can hold.
    """
    execution = attested.data.execution
    signed = sign_result(
        Result(
            execution_id=execution.execution_id,
            attempt=execution.attempt,
            report_data=attested.envelope.report_data,
            status=status,
            evidence_sha256=hashlib.sha256(attested.evidence.body).digest(),
            ear_sha256=hashlib.sha256(attested.envelope.ear).digest(),
            result_sha256=hashlib.sha256(result).digest(),
            fuel=FUEL,
            secrets=attested.envelope.secrets,
            calls=calls,
        ),
        attested.key,
    )
    return Receipt(
        protocol=NATIVE,
        result=signed,
        runtime_data=attested.encoded,
        evidence=attested.evidence,
        ear=attested.envelope.ear,
        vault_public_key=attested.vault_public_key,
        policy_sha256=attested.ear.policy_sha256,
        assurance=attested.ear.assurance,
        vault=attested.vault,
    ).encode()
