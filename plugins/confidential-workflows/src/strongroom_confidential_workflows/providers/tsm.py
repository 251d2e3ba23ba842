"""Evidence of kinds ``sev-snp`` and ``tdx`` from the kernel's report file system, configfs-tsm.

A report has a directory of its own with files in it: what is written to ``inblob`` is attested in ``outblob``, and
``auxblob`` has the host's certificates. The body is the report (1184 bytes) or the quote. **Untested on hardware**:
tested against a simulated file tree only, the verifiers with real documents.

Rule 1: everything is opened when the provider is made, so one provider gives one report: a runner has one execution.
The directory is ours alone, so nobody else's request comes between writing and reading. It is removed with the report:
that is all that the sandbox allows of files, below the report file system alone. The entry of a runner that was killed
before stays, empty, until the machine starts anew.
Rule 2: ``provider`` must name the driver of the configured kind. The file system looks the same for all of them.
Source: contracts/attestation.md 4; Linux, Documentation/ABI/testing/configfs-tsm-report.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from strongroom.attest import snp
from strongroom.attest.evidence import Evidence, EvidenceLimits
from strongroom.guest.needs import Needs
from strongroom.plugin import Misconfigured, WrongState
from strongroom_confidential_workflows.providers.devices import WHERE, broken_answer, unusable
from strongroom_confidential_workflows.providers.provider import BINARY, check_asked, padded
from strongroom_confidential_workflows.providers.sev_guest import REPORT_BYTES
from strongroom_confidential_workflows.providers.snp_certificates import TABLE_BYTES_MAX, chain_for

__all__ = ["ROOT", "TsmProvider"]

ROOT: Final = Path("/sys/kernel/config/tsm/report")
FIX: Final = "run the runner in a confidential guest with Linux 6.7 or later, mount configfs, or configure another kind"
DRIVERS: Final = {"sev-snp": "sev_guest", "tdx": "tdx_guest"}
NAME_BYTES_MAX: Final = 64
_READ_BYTES: Final = 4096


class TsmProvider:
    """An entry of the report file system, open for one report."""

    def __init__(self, kind: str, root: Path = ROOT, *, endorsements: tuple[bytes, ...] = ()) -> None:
        """Make an entry below ``root``, and open it. ``endorsements``: the certificates of ``sev-snp``, for a host that
        gives none; the collateral of ``tdx``.

        Raises ``Misconfigured``, which names what is missing, or when the driver is that of another kind.
        """
        self.kind = kind
        self._endorsements = endorsements
        self._entry = root / f"strongroom-{secrets.token_hex(8)}"
        self._open: dict[str, int] = {}
        self._is_used = False
        try:
            self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise unusable(root, kind, error, fix=FIX) from error
        try:
            self._entry.mkdir()
        except OSError as error:
            os.close(self._root)
            raise unusable(root, kind, error, fix=FIX) from error
        try:
            self._open_files()
        except BaseException:
            self.close()
            raise

    @property
    def needs(self) -> Needs:
        """Removing its entry. What is read and written is open."""
        return Needs(removes_in=self._root)

    def collect(self, report_data: bytes, nonce: bytes, kem_spki: bytes) -> Evidence:
        """A report about ``report_data``, which covers the nonce and the key. See ``EvidenceProvider``.

        Raises ``WrongState`` when it was asked before, and ``Misconfigured`` when ``sev-snp`` lacks certificates.
        """
        check_asked(report_data, nonce, kem_spki)
        if self._is_used:
            raise WrongState("SR-EVID-012", "this entry has given its report", fix="start a runner for each execution")
        self._is_used = True
        try:
            return self._report(report_data)
        finally:
            self.close()

    def close(self) -> None:
        """Close the files and take the entry away; its directory is empty then."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open = {}
        if self._root >= 0:
            with suppress(OSError):
                os.rmdir(self._entry.name, dir_fd=self._root)
            os.close(self._root)
            self._root = -1

    def _report(self, report_data: bytes) -> Evidence:
        try:
            os.write(self._open["inblob"], padded(report_data))
            # The kernel takes what was written when the file is closed, and asks the hardware when it is read.
            os.close(self._open.pop("inblob"))
            report = self._content("outblob", EvidenceLimits().quote_bytes_max)
            if self.kind != snp.KIND:
                return Evidence(self.kind, BINARY, report, self._endorsements)
            table = self._content("auxblob", TABLE_BYTES_MAX) if "auxblob" in self._open else b""
        except OSError as error:
            raise broken_answer(str(self._entry), error.strerror or type(error).__name__) from error
        if len(report) != REPORT_BYTES:
            raise broken_answer(str(self._entry), f"{len(report)} bytes where a report has {REPORT_BYTES}")
        return Evidence(self.kind, BINARY, report, chain_for(self._endorsements, table))

    def _open_files(self) -> None:
        self._open_file("provider", os.O_RDONLY)
        driver = self._content("provider", NAME_BYTES_MAX).decode("ascii", "replace").strip()
        wanted = DRIVERS[self.kind]
        if driver != wanted:
            what = f"evidence kind {self.kind} needs the driver {wanted}"
            fix = "configure the kind of this machine, or move to one of the configured kind"
            raise Misconfigured("SR-EVID-013", what, why=f"here is {driver!r}", fix=fix, where=WHERE)
        self._open_file("inblob", os.O_WRONLY)
        self._open_file("outblob", os.O_RDONLY)
        if self.kind == snp.KIND:
            # Kernels without a table of certificates have no such file, and then they are configured.
            with suppress(Misconfigured):
                self._open_file("auxblob", os.O_RDONLY)

    def _open_file(self, name: str, flags: int) -> None:
        path = self._entry / name
        try:
            self._open[name] = os.open(path, flags | os.O_CLOEXEC)
        except OSError as error:
            raise unusable(path, self.kind, error, fix=FIX) from error

    def _content(self, name: str, bytes_max: int) -> bytes:
        """All of an open file, which has at most ``bytes_max``."""
        content = b""
        while found := os.read(self._open[name], _READ_BYTES):
            content += found
            if len(content) > bytes_max:
                raise broken_answer(str(self._entry / name), f"more than {bytes_max} bytes")
        if not content and name == "outblob":
            raise broken_answer(str(self._entry / name), "it is empty")
        return content
