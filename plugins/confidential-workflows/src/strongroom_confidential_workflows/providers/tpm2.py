"""Evidence of kinds ``tpm2`` and ``insecure-swtpm``: a quote of a TPM 2.0, be it a chip, a vTPM or software.

The attestation key is made when the provider is, and is the same each time; the vault must know it: see
``answer_enrolment``. One connection is kept until ``close``. The kernel offers a resource manager at ``/dev/tpmrm0``,
behind which the keys of one process are no concern of others. A socket has one client at a time and no such manager:
what a runner that was killed left in the TPM is removed by the next one. Tested with a software TPM.
Source: contracts/attestation.md 9.3 to 9.5 and 11.2.
"""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from strongroom.attest.cbor import canonical
from strongroom.attest.evidence import Evidence
from strongroom.attest.tpm import KIND
from strongroom.attest.tpm_body import BODY_VERSION
from strongroom.attest.tpm_enrolment import EnrolmentChallenge
from strongroom.guest.needs import NOTHING, Needs
from strongroom.plugin import StrongroomError
from strongroom.tpm.wire import TpmWire
from strongroom_confidential_workflows.providers.provider import check_asked
from strongroom_confidential_workflows.providers.tpm_certificate import read_ek_certificate
from strongroom_confidential_workflows.providers.tpm_keys import (
    TpmPrimary,
    activate_credential,
    create_ak,
    flush,
    flush_left_over,
)
from strongroom_confidential_workflows.providers.tpm_registers import check_selection, quote, read_registers
from strongroom_confidential_workflows.providers.tpm_wire import open_tpm

__all__ = ["DEVICE", "TpmProvider"]

DEVICE: Final = Path("/dev/tpmrm0")
MEDIA_TYPE: Final = "application/cbor"


class TpmProvider:
    """An open TPM with its attestation key loaded. ``open`` makes one; ``ak_public`` is the key's TPMT_PUBLIC."""

    def __init__(
        self, wire: TpmWire, ak: TpmPrimary, registers: Collection[int], *, kind: str, endorsements: tuple[bytes, ...]
    ) -> None:
        self.kind = kind
        self.ak_public = ak.public
        self._wire = wire
        self._ak = ak
        self._registers = tuple(sorted(set(registers)))
        self._endorsements = endorsements

    @classmethod
    def open(
        cls,
        path: Path = DEVICE,
        *,
        registers: Collection[int],
        kind: str = KIND,
        endorsements: tuple[bytes, ...] = (),
    ) -> "TpmProvider":
        """Connect to the TPM at ``path``, a device or a UNIX socket, and make its attestation key.

        ``endorsements`` are certificates in DER, leaf first: of the endorsement key for ``tpm2``, of the attestation
        key for ``insecure-swtpm``. Raises ``Misconfigured`` when there is no TPM there.
        """
        check_selection(registers)
        wire = open_tpm(path, kind=kind)
        try:
            if path.is_socket():
                flush_left_over(wire)
            return cls(wire, create_ak(wire), registers, kind=kind, endorsements=endorsements)
        except BaseException:
            wire.close()
            raise

    @property
    def needs(self) -> Needs:
        """Nothing: the connection is open, and a TPM is written to and read from."""
        return NOTHING

    def collect(self, report_data: bytes, nonce: bytes, kem_spki: bytes) -> Evidence:
        """A quote whose qualifying data is ``report_data``, which covers the nonce and the key. See
        ``EvidenceProvider``."""
        check_asked(report_data, nonce, kem_spki)
        quoted = quote(self._wire, self._ak, report_data, self._registers)
        body = {
            "v": BODY_VERSION,
            "attest": quoted.attest,
            "signature": quoted.signature,
            "ak_public": self.ak_public,
            "pcrs": quoted.values,
        }
        return Evidence(self.kind, MEDIA_TYPE, canonical(body), self._endorsements)

    def registers(self) -> dict[int, bytes]:
        """The values of the configured registers now."""
        return read_registers(self._wire, self._registers)

    def ek_certificate(self) -> bytes:
        """The certificate that its maker stored in the TPM, in DER. Raises ``Unavailable`` when there is none."""
        return read_ek_certificate(self._wire)

    def answer_enrolment(self, challenge: EnrolmentChallenge) -> bytes:
        """The credential that the vault sealed to this TPM and this attestation key.

        Raises ``TpmRefused`` when it was sealed to another TPM or to a key of another Name.
        """
        return activate_credential(self._wire, self._ak, challenge.id_object, challenge.encrypted_secret)

    def close(self) -> None:
        """Unload the attestation key, where the TPM still listens, and end the connection."""
        with suppress(StrongroomError):
            flush(self._wire, self._ak.handle)
        self._wire.close()
