"""The measurement of an enclave runner that is a process: a digest over its program files.

Every file counts with its path and its bytes, so whoever has the release gets the same digest: from wheels, from an
installation, from a checkout. The runner takes it of itself, and nothing proves that it did: ``insecure-software``.
Source: contracts/attestation.md 11.1, claim -70002, and 16.4. The layout is ours.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from strongroom.crypto.framing import length_prefixed

__all__ = ["RUNNER_PACKAGES", "is_measured", "measurement_of"]

RUNNER_PACKAGES: Final = ("strongroom", "strongroom_confidential_workflows")
"""The import packages that a runner's own program is in. Libraries are pinned by the hashes of their wheels."""
_LABEL: Final = b"STRONGROOM-MEASUREMENT-v1"


def is_measured(path: str) -> bool:
    """Whether the file at ``path`` (``package/module.py``, with slashes) is part of a runner's program."""
    parts = path.split("/")
    return parts[0] in RUNNER_PACKAGES and path.endswith(".py") and "__pycache__" not in parts


def measurement_of(files: Mapping[str, bytes]) -> bytes:
    """The digest over those of ``files``, bytes by path, that are part of a runner's program; 32 bytes."""
    digest = hashlib.sha256(_LABEL)
    for path in sorted(filter(is_measured, files)):
        digest.update(length_prefixed(path, hashlib.sha256(files[path]).digest()))
    return digest.digest()
