"""Sealing values again: after a rotation, when a store gets keys, or when plaintext is adopted.

What is sealed again keeps its time and its place (contracts/workspace-encryption.md 17 row 1).
"""

from collections.abc import Iterable
from typing import Final

from strongroom.crypto.workspace_blob import is_encrypted_blob
from strongroom.errors import InvalidInput, StrongroomError
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.entry import Entry
from strongroom.workspace.lww import LwwStore, Make
from strongroom.workspace.stored_value import json_bytes, shown_json
from strongroom.workspace.value_sealing import ValueSealer
from strongroom.workspace.watcher import PrivateOrigin

__all__ = ["SEALED_AGAIN", "seal_again"]

BATCH_BYTES_MAX: Final = 2 * 1024 * 1024
"""Of values in one transaction: its update must fit into one message to a peer, of 5 MiB."""
SEALED_AGAIN: Final = PrivateOrigin("values are sealed again")


def seal_again(lww: LwwStore, sealer: ValueSealer, keys: WorkspaceKeys, entries: Iterable[Entry]) -> int:
    """Seal those of ``entries`` that can be read, in as few transactions as fit; returns how many they were.

    A sealed text need not be JSON: it is carried over as it is, so that its old key version can be retired.
    """
    done, size = 0, 0
    batch: list[tuple[str, Make]] = []
    for entry in entries:
        try:
            if is_encrypted_blob(entry.val):
                plaintext = sealer.open(keys, entry.key, entry.ts, entry.val)
            else:
                plaintext = _json_of_plain(entry.val)
        except StrongroomError:
            continue
        if batch and size + len(plaintext) > BATCH_BYTES_MAX:
            done += lww.replace_in_place(batch, SEALED_AGAIN)
            batch, size = [], 0
        batch.append((entry.key, sealer.maker(keys, entry.key, plaintext)))
        size += len(plaintext)
    return done + (lww.replace_in_place(batch, SEALED_AGAIN) if batch else 0)


def _json_of_plain(val: object) -> bytes:
    try:
        return json_bytes(val)
    except InvalidInput:
        return json_bytes(shown_json(val))
