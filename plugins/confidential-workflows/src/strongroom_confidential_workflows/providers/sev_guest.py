"""Evidence of kind ``sev-snp`` from ``/dev/sev-guest``, the guest driver's own device.

The body is the report of 1184 bytes at VMPL 0, the endorsements are leaf, intermediate and root. **Untested on
hardware**: the layout is tested against a simulated device only, the verifier with real reports. Newer kernels offer
the same as a file system, see ``tsm``. The runner's sandbox allows this one ``ioctl`` on the open device.
Source: contracts/attestation.md 4 and 7; the driver's interface in Linux, include/uapi/linux/sev-guest.h.
"""

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

from strongroom.attest.evidence import Evidence
from strongroom.attest.snp import KIND
from strongroom.guest.needs import Needs
from strongroom_confidential_workflows.providers.devices import broken_answer, open_device
from strongroom_confidential_workflows.providers.kernel_memory import Ioctl, Memory, request
from strongroom_confidential_workflows.providers.provider import BINARY, check_asked, padded
from strongroom_confidential_workflows.providers.snp_certificates import TABLE_BYTES_MAX, chain_for

__all__ = ["DEVICE", "REPORT_BYTES", "REPORT_DATA_AT", "SevGuestProvider"]

DEVICE: Final = Path("/dev/sev-guest")
FIX: Final = "run the runner in an SEV-SNP guest whose kernel has the driver sev-guest, or configure another kind"
REPORT_BYTES: Final = 1184
REPORT_DATA_AT: Final = 0x50
GET_EXTENDED_REPORT: Final = 0xC0205302
"""_IOWR('S', 2, struct snp_guest_request_ioctl)."""
_REQUEST: Final = struct.Struct("=B7xQQQ")
"""Version of the message, address of the request, address of the answer, error of firmware and hypervisor."""
_EXTENDED: Final = struct.Struct("=64sI28xQI4x")
"""user_data, VMPL, address and size of the memory for certificates."""
_ANSWER: Final = struct.Struct("=II24x")
"""Status and size of the report, which follows."""
_ANSWER_BYTES: Final = 4000
_MESSAGE_VERSION: Final = 1
_VMPL: Final = 0


class SevGuestProvider:
    """An open ``/dev/sev-guest``."""

    kind = KIND

    def __init__(
        self, path: Path = DEVICE, *, endorsements: tuple[bytes, ...] = (), ioctl: Ioctl = fcntl.ioctl
    ) -> None:
        """Open the device. ``endorsements`` are leaf, intermediate and root in DER, for a host that gives none.

        Raises ``Misconfigured``, which names the device, when there is none.
        """
        self._path = path
        self._ioctl = ioctl
        self._endorsements = endorsements
        self._descriptor = open_device(path, kind=self.kind, fix=FIX)

    @property
    def needs(self) -> Needs:
        """One request of ``ioctl`` on the open device."""
        return Needs(ioctls=frozenset({(self._descriptor, GET_EXTENDED_REPORT)}))

    def collect(self, report_data: bytes, nonce: bytes, kem_spki: bytes) -> Evidence:
        """A report about ``report_data``, which covers the nonce and the key. See ``EvidenceProvider``.

        Raises ``Misconfigured`` as well, when neither host nor configuration has certificates.
        """
        check_asked(report_data, nonce, kem_spki)
        table, answer = Memory(b"", TABLE_BYTES_MAX), Memory(b"", _ANSWER_BYTES)
        asked = Memory(_EXTENDED.pack(padded(report_data), _VMPL, table.address, table.size))
        raw = bytearray(_REQUEST.pack(_MESSAGE_VERSION, asked.address, answer.address, 0))
        request(self._path, self._descriptor, GET_EXTENDED_REPORT, raw, self._ioctl)
        status, size = _ANSWER.unpack_from(answer.read())
        if status or size != REPORT_BYTES:
            why = f"status {status:x}, {size} bytes where a report has {REPORT_BYTES}"
            raise broken_answer(str(self._path), why)
        report = answer.read()[_ANSWER.size : _ANSWER.size + REPORT_BYTES]
        return Evidence(self.kind, BINARY, report, chain_for(self._endorsements, table.read()))

    def close(self) -> None:
        """Let go of the device."""
        os.close(self._descriptor)
