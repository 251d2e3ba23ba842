"""The audit log of a daemon: where it lies, whose it is, and what is said about it."""

import os
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from strongroom.audit.append_file import Disk
from strongroom.audit.audit_log import AuditLog
from strongroom.audit.host_name import host_name
from strongroom.audit.log_chain import LogName
from strongroom.audit.log_place import LogPlace
from strongroom.audit.log_writer import LogWriter
from strongroom.audit.verify import Report, verify
from strongroom.backup.staging import restored_host
from strongroom.engine.host_audit import AuditKeys, HostAudit, SealedHeads
from strongroom.engine.journal import now_ms
from strongroom.engine.migrated import tell_migrated
from strongroom.engine.restored import tell_restored
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import RootKeyring
from strongroom.pb.strongroom.v1 import status_pb2
from strongroom.registry.states import PluginState
from strongroom.services.audit import AuditService
from strongroom.settings.model import Settings
from strongroom.storage.database import Database
from strongroom.storage.directories import make_log_parent
from strongroom.telemetry import logs
from strongroom.telemetry.redaction import Redaction

__all__ = ["AuditParts", "audit_file"]

FILE_NAME: Final = "audit.jsonl"
MODES: Final = {"dev": 0o600, "serve": 0o640}
"""A service's log is read by a group too: that of its directory."""
HEALTH: Final = "audit"
"""What probes ask for to learn whether records are made."""
log = logs.get("audit")


class AuditParts:
    """The audit log of one daemon, from ``start`` to ``close``."""

    def __init__(
        self,
        settings: Settings,
        root: RootKeyring,
        record_keys: RecordKeys,
        database: Database,
        deployment_id: str,
        mode: str,
        redaction: Redaction | None = None,
    ) -> None:
        """``redaction`` is that of the process; one of its own knows no values."""
        path = audit_file(settings, mode, os.environ)
        named = settings.audit.host_id or restored_host(settings.state_dir)
        self._name = LogName(deployment_id, host_name(named, database.backend, deployment_id, path))
        self._database = database
        self._keys = AuditKeys(root)
        self._heads = SealedHeads(self._name, database, record_keys)
        self._mode = mode
        disk = Disk()
        writer = LogWriter(
            LogPlace(path),
            self._name,
            self._keys,
            file_bytes_max=settings.audit.file_bytes_max,
            mode=MODES.get(mode, 0o600),
            disk=disk,
            clock_ms=now_ms,
        )
        self.log = AuditLog(writer, self._heads, reserve_bytes=settings.audit.reserve(mode), disk=disk)
        self.audit = HostAudit(self.log, redaction or Redaction(), refuses=settings.audit.refuses(mode))

    def start(self) -> None:
        """Look at the log, say what is wrong with it, and record that the host starts. Raises ``Misconfigured``."""
        make_log_parent(self.log.writer.place.path)
        found = self.log.open()
        place = str(self.log.writer.place.path)
        for each in found.breaks:
            log.error(
                "THE AUDIT LOG DOES NOT HOLD: see strongroom audit verify",
                extra={"file": place, "record": each.number, "kind": each.kind, "why": each.why},
            )
        if found.torn_bytes:
            log.warning(
                "the last line of the audit log was cut off by a crash and is moved aside",
                extra={"file": str(self.log.writer.place.torn), "bytes": found.torn_bytes},
            )
            self.audit.begin("audit.repaired", subject=self.log.writer.place.torn.name, cut_bytes=found.torn_bytes)
        if found.ahead:
            # A crash leaves it so; so does an older head.
            log.info("the audit log is ahead of its head", extra={"file": place, "records": found.ahead})
            self.audit.begin("audit.ahead", subject=self.log.writer.place.path.name, records=found.ahead)
        tell_restored(self._database, self.audit)
        tell_migrated(self._database, self.audit)
        self.audit.begin("host.start", subject=self._name.host, version=metadata.version("strongroom"), mode=self._mode)

    def stop(self) -> None:
        """Record that the host stops, and close the log."""
        self.audit.begin("host.stop", subject=self._name.host)
        self.log.close()

    def key_changed(self) -> None:
        """The keyring has changed: what comes next is under the version that writes, and so is the head."""
        self.audit.begin("keys.changed", subject="keyring", key_version=self._keys.writing_version)

    def plugin_changed(self, plugin: PluginState) -> None:
        """A plugin came up, went down or failed."""
        self.audit.begin(
            f"plugin.{plugin.state}",
            subject=plugin.name,
            kind=plugin.kind,
            restarts=plugin.restarts,
            why=plugin.last_error,
        )

    @property
    def host(self) -> str:
        """The name that the log has among those of this deployment."""
        return self._name.host

    @property
    def is_ready(self) -> bool:
        """Whether what must be on record can be done."""
        return not (self.audit.refuses and self.log.failing)

    def verify(self, on_progress: Callable[[int], None]) -> Report:
        """Read everything."""
        return verify(self.log.snapshot(), self._name, self._keys, self._heads.read, on_progress)

    def service(self, is_ending: Callable[[], bool]) -> AuditService:
        """What answers ``strongroom audit``."""
        return AuditService(self.log, self.verify, self._name.host, is_ending=is_ending)

    def watched_by(self, set_serving: Callable[[str, bool], None]) -> None:
        """Tell probes, now and on each change: of the log for itself, and of the host as a whole where it refuses what
        is not on record."""

        def tell() -> None:
            set_serving(HEALTH, not self.log.failing)
            if self.audit.refuses:
                set_serving("", self.is_ready)

        self.log.on_change = tell
        tell()

    def describe(self, answer: status_pb2.StatusServiceGetResponse) -> None:
        """Add what ``status`` says of the log."""
        state = self.log.state()
        answer.audit_records = state.records
        answer.audit_on_failure = "refuse" if self.audit.refuses else "degrade"
        answer.audit_problems.extend(state.problems)
        answer.audit_write_failures = state.failures
        answer.audit_unrecorded = self.audit.unrecorded


def audit_file(settings: Settings, mode: str, environ: Mapping[str, str]) -> Path:
    """Where the log lies."""
    if settings.audit.file is not None:
        return settings.audit.file
    directory = environ.get("LOGS_DIRECTORY", "").split(":", 1)[0] if mode == "serve" else ""
    return Path(directory or settings.state_dir) / FILE_NAME
