"""Check a report without the host that signed it: what whoever receives reports runs."""

from dataclasses import dataclass, field

import coincurve
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom.plugin import keccak256
from strongroom.plugin.messages import sdk_pb2
from strongroom_consensus.report import CONTEXT_BYTES, HEADER, report_context, signed_digest

__all__ = ["Report", "ReportRefused", "verify_report"]


class ReportRefused(ValueError):
    """The report was not made by this signer, or was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a verified report says. Ids are lower-case hex; ``unix_s`` is Unix time."""

    payload: bytes = field(repr=False)
    seq_nr: int
    unix_s: int
    execution_id: str
    workflow_id: str
    workflow_name: str
    owner: str
    don_id: int
    don_config_version: int


def verify_report(
    untrusted: sdk_pb2.ReportResponse, *, signing_algo: str, hashing_algo: str, signer: bytes, config_digest: bytes
) -> Report:
    """The report, if ``signer`` signed it: a 20-byte address for ``ecdsa``, a 32-byte public key for ``ed25519``.

    ``config_digest`` is that of the host. Raises ``ReportRefused``. Look at ``owner`` and ``workflow_id`` too: every
    workflow of a host has the same signer.
    """
    if untrusted.config_digest != config_digest or len(config_digest) != CONTEXT_BYTES // 2:
        raise ReportRefused("the report is of another host")
    if untrusted.report_context != report_context(config_digest, untrusted.seq_nr):
        raise ReportRefused("the context does not belong to the report")
    if len(untrusted.sigs) != 1 or untrusted.sigs[0].signer_id != 0 or len(untrusted.raw_report) < HEADER.size:
        raise ReportRefused("it is no report of a single signer")
    try:
        digest = signed_digest(hashing_algo, untrusted.raw_report, untrusted.report_context)
    except KeyError:
        raise ReportRefused("the hashing algorithm is not known") from None
    _check_signature(signing_algo.lower(), untrusted.sigs[0].signature, digest, signer)
    raw = untrusted.raw_report
    fields = HEADER.unpack_from(raw)
    _version, execution_id, unix_s, don_id, don_config_version, workflow_id, name, owner, _report_id = fields
    return Report(
        payload=raw[HEADER.size :],
        seq_nr=untrusted.seq_nr,
        unix_s=unix_s,
        execution_id=execution_id.hex(),
        workflow_id=workflow_id.hex(),
        workflow_name=name.rstrip(b"\0").decode("ascii", "replace"),
        owner=owner.hex(),
        don_id=don_id,
        don_config_version=don_config_version,
    )


def _check_signature(signing_algo: str, signature: bytes, digest: bytes, signer: bytes) -> None:
    try:
        if signing_algo == "ecdsa" and len(signature) == 65 and len(signer) == 20:
            public = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
            good = keccak256(public.format(compressed=False)[1:])[-20:] == signer
        elif signing_algo == "ed25519" and len(signer) == 32:
            Ed25519PublicKey.from_public_bytes(signer).verify(signature, digest)
            good = True
        else:
            good = False
    except (InvalidSignature, ValueError) as error:
        raise ReportRefused("the signature is not valid") from error
    if not good:
        raise ReportRefused("the signature is not that of the signer")
