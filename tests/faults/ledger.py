"""A capability that writes every call down before it answers, so that a test can tell what was done twice.

It honours the idempotency key: a key that it has accepted is answered again and not accepted again. Lines of the ledger
are synced, so they survive the host and this process.
"""

import hashlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.plugin import Call, Capability, hookimpl
from strongroom.plugin.messages import basic_action_pb2

__all__ = ["Ledger", "Line", "read"]


@dataclass(frozen=True, slots=True)
class Line:
    """One call: ``accepted`` or ``repeated``, its key, and a digest of what was asked."""

    kind: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """``basic-test-action@1.0.0`` with a memory in ``file``."""

    file: str
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _known: dict[str, str] = field(default_factory=dict, init=False)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer the one capability, with what was accepted before a crash."""
        if Path(self.file).exists():
            self._known.update({line.key: line.digest for line in read(Path(self.file)) if line.kind == "accepted"})
        return [
            Capability(id="basic-test-action@1.0.0", description="Writes down", methods={"PerformAction": self.act})
        ]

    def act(self, call: Call) -> basic_action_pb2.Outputs:
        """Accept the call once, and answer."""
        inputs = call.unpack(basic_action_pb2.Inputs)
        key = f"{call.metadata.workflow_execution_id}/{call.metadata.reference_id}"
        digest = hashlib.sha256(call.payload.SerializeToString(deterministic=True)).hexdigest()[:16]
        with self._lock:
            kind = "repeated" if key in self._known else "accepted"
            self._known.setdefault(key, digest)
            descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, f"{kind} {key} {digest}\n".encode())
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        return basic_action_pb2.Outputs(adapted_thing="true" if inputs.input_thing else "false")


def read(file: Path) -> list[Line]:
    """Every whole line; one that a crash cut off was never answered."""
    text = file.read_text() if file.exists() else ""
    return [Line(*line.split()) for line in text.splitlines(keepends=True) if line.endswith("\n")]
