"""The name that the audit log of a host has among those of its deployment."""

import hashlib
import os
import re
import socket
from pathlib import Path
from typing import Final

__all__ = ["host_name"]

HOST_CHARS: Final = 12
PLACE_CHARS: Final = 8
MACHINE_CHARS_MAX: Final = 64


def host_name(named: str, backend: str, deployment_id: str, path: Path) -> str:
    """``named``, if somebody did. Otherwise a database of SQLite is one host's; hosts that share a server are told by
    their machines and the places of their logs."""
    if named:
        return named
    if backend == "sqlite":
        return deployment_id[:HOST_CHARS]
    machine = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:MACHINE_CHARS_MAX] or "host"
    return f"{machine}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:PLACE_CHARS]}"
