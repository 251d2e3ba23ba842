"""Evidence of kind ``nitro``: a document of the Nitro Secure Module, for an enclave on AWS.

The body is the COSE_Sign1 as the module gives it; its chain is inside. **Untested on hardware**: the layout of request
and answer is tested against a simulated device only, the verifier with real documents.
The runner's sandbox allows this one ``ioctl`` on the open device.
Source: contracts/attestation.md 4, 6 and 13; the driver's interface in Linux, include/uapi/linux/nsm.h.
"""

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

from strongroom.attest.cbor import canonical, decode
from strongroom.attest.cose import MEDIA_TYPE
from strongroom.attest.evidence import Evidence
from strongroom.attest.nitro import KIND
from strongroom.guest.needs import Needs
from strongroom.plugin import StrongroomError, Unavailable
from strongroom_confidential_workflows.providers.devices import broken_answer, open_device
from strongroom_confidential_workflows.providers.kernel_memory import Ioctl, Memory, request
from strongroom_confidential_workflows.providers.provider import check_asked

__all__ = ["DEVICE", "NitroProvider"]

DEVICE: Final = Path("/dev/nsm")
FIX: Final = "run the runner inside a Nitro enclave, whose kernel has the driver nsm, or configure another kind"
ANSWER_BYTES_MAX: Final = 0x3000
"""As much as the driver gives."""
EXCHANGE: Final = 0xC0200A00
"""_IOWR(0x0A, 0, struct nsm_raw): two addresses, each with a length."""
_RAW: Final = struct.Struct("=QQQQ")
ERROR_TEXT_MAX: Final = 40


class NitroProvider:
    """An open Nitro Secure Module."""

    kind = KIND

    def __init__(self, path: Path = DEVICE, *, ioctl: Ioctl = fcntl.ioctl) -> None:
        """Open the module. Raises ``Misconfigured``, which names the device, when there is none."""
        self._path = path
        self._ioctl = ioctl
        self._descriptor = open_device(path, kind=self.kind, fix=FIX)

    @property
    def needs(self) -> Needs:
        """One request of ``ioctl`` on the open device."""
        return Needs(ioctls=frozenset({(self._descriptor, EXCHANGE)}))

    def collect(self, report_data: bytes, nonce: bytes, kem_spki: bytes) -> Evidence:
        """A document with all three in it. See ``EvidenceProvider``."""
        check_asked(report_data, nonce, kem_spki)
        wanted = {"user_data": report_data, "nonce": nonce, "public_key": kem_spki}
        asked, answer = Memory(canonical({"Attestation": wanted})), Memory(b"", ANSWER_BYTES_MAX)
        raw = bytearray(_RAW.pack(asked.address, asked.size, answer.address, answer.size))
        request(self._path, self._descriptor, EXCHANGE, raw, self._ioctl)
        answer_bytes = _RAW.unpack(raw)[3]
        if answer_bytes > ANSWER_BYTES_MAX:
            raise self._broken(f"it says {answer_bytes} bytes, and {ANSWER_BYTES_MAX} is the limit")
        return Evidence(self.kind, MEDIA_TYPE, self._document(answer.read()[:answer_bytes]))

    def close(self) -> None:
        """Let go of the device."""
        os.close(self._descriptor)

    def _document(self, untrusted: bytes) -> bytes:
        try:
            found = decode("nsm/answer", untrusted)
        except StrongroomError as error:
            raise self._broken(error.why) from error
        if isinstance(found, dict) and found.keys() == {"Error"}:
            raise self._broken(f"it answered {str(found['Error'])[:ERROR_TEXT_MAX]!r}")
        inner = found.get("Attestation") if isinstance(found, dict) else None
        document = inner.get("document") if isinstance(inner, dict) else None
        if not isinstance(document, bytes):
            raise self._broken("there is no document in its answer")
        return document

    def _broken(self, why: str) -> Unavailable:
        return broken_answer(str(self._path), why)
