"""What the core of gRPC writes to stderr itself: raw lines, past the log, its form, its levels and its redaction.

What matters of them reaches the caller as an error too. Whoever looks for a fault in gRPC sets the variable himself.
"""

import os
from collections.abc import Mapping, MutableMapping
from typing import Final

__all__ = ["for_children", "silence"]

VARIABLE: Final = "GRPC_VERBOSITY"
NOTHING: Final = "NONE"


def silence(environ: MutableMapping[str, str] = os.environ) -> None:
    """Have it write nothing, unless ``environ`` says otherwise. It is read when grpc is imported, so call it before."""
    environ.setdefault(VARIABLE, NOTHING)


def for_children(environ: Mapping[str, str]) -> dict[str, str]:
    """The same for a process that is started with an environment of its own."""
    return {VARIABLE: environ.get(VARIABLE, NOTHING)}
