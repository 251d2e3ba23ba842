"""Ids computed without a host, by the code that the host uses."""

import hashlib
import os
from pathlib import Path

from strongroom.guest.binary import decode_upload
from strongroom.guest.ids import normal_owner, workflow_id
from strongroom.guest.limits import GuestLimits
from strongroom.settings.layers import load

__all__ = ["identify"]


def identify(upload: bytes, *, name: str, owner: str, config: bytes) -> dict[str, str]:
    """Id and hash that a registration of ``upload`` would get. Raises ``InvalidInput``, ``LimitExceeded``."""
    if not owner:
        owner = load("client", {}, Path.cwd(), os.environ).settings.owner
    owner = normal_owner(owner)
    stored = decode_upload(upload, GuestLimits())
    return {
        "workflow_id": workflow_id(owner=owner, name=name, binary=stored.data, config=config),
        "binary_sha256": hashlib.sha256(stored.data).hexdigest(),
        "encoding": stored.encoding,
        "name": name,
        "owner": owner,
    }
