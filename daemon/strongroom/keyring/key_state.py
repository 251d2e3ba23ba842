"""Which version was promoted, as the database says it, under a MAC that covers every row about key versions too.

Rule 1: it is one text, ``1 <serial> <promoted or 0> <key version> <mac in hex>``, written with what it speaks of.
Rule 2: the MAC is made with the version that writes, and binds the deployment: the state of another database of the
same host does not pass here.

What is noticed: any change of the text or of a row about a version; a row added or taken away; the state of another
database; a retired mark with the state gone; an older promotion put back alone once a newer version has written.
What is not: a whole older database, state and data together, whose keys this host still holds. That is what restoring
a backup looks like, and only a witness outside the host could tell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.errors import StorageFault, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import RootKeyring
from strongroom.storage.key_checks import KeyCheckRow

__all__ = ["KEY_STATE", "KeyState", "check_not_older", "read_state", "state_text"]

KEY_STATE: Final = "key_state"
"""Its name among the facts about a database."""
_FORMAT: Final = "1"
_FIELDS: Final = 5
_TEXT_CHARS_MAX: Final = 256  # two hundred are more than it ever has


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """What was promoted last, or nothing ever. ``serial`` counts the changes."""

    serial: int
    promoted: int | None


def state_text(root: RootKeyring, state: KeyState, rows: Sequence[KeyCheckRow], deployment_id: str) -> str:
    """``state`` beside ``rows``, authenticated under the version of ``root`` that writes."""
    version = root.writing_version
    mac = RecordKeys(root).mac(KEY_STATE, _columns(state, rows, deployment_id), key_version=version)
    return f"{_FORMAT} {state.serial} {state.promoted or 0} {version} {mac.hex()}"


def read_state(root: RootKeyring, untrusted: str | None, rows: Sequence[KeyCheckRow], deployment_id: str) -> KeyState:
    """The state that ``untrusted`` says; serial 0 for a database from before there was one.

    Raises ``Tampered``; ``KeyMissing`` when it was written under a version that ``root`` does not hold.
    """
    if untrusted is None:
        if any(row.retired_at for row in rows):
            raise Tampered(KEY_STATE)
        return KeyState(serial=0, promoted=None)
    fields = untrusted.split(" ") if len(untrusted) <= _TEXT_CHARS_MAX else []
    if len(fields) != _FIELDS or fields[0] != _FORMAT:
        raise Tampered(KEY_STATE)
    try:
        serial, promoted, version = (int(field) for field in fields[1:4])
        mac = bytes.fromhex(fields[4])
    except ValueError:
        raise Tampered(KEY_STATE) from None
    if not all(isinstance(row.check_value, bytes) for row in rows):
        # SQLite keeps a value of any type in any column.
        raise Tampered(KEY_STATE)
    state = KeyState(serial=serial, promoted=promoted or None)
    RecordKeys(root).check(KEY_STATE, _columns(state, rows, deployment_id), key_version=version, mac=mac)
    return state


def check_not_older(state: KeyState, authentic_versions: Iterable[int]) -> None:
    """Raises ``StorageFault`` when something authentic was written under a version above the promoted one."""
    newest_version = max(authentic_versions, default=0)
    if state.promoted is not None and newest_version > state.promoted:
        raise StorageFault(
            "SR-KEY-022",
            f"key version {state.promoted} is to write, and the database holds records of version {newest_version}",
            why="an older promotion was put back, or only a part of the database was restored",
            fix="restore the whole database from one backup; nothing was changed",
            promoted=state.promoted,
            key_version=newest_version,
        )


def _columns(state: KeyState, rows: Sequence[KeyCheckRow], deployment_id: str) -> dict[str, str | bytes | int | None]:
    checks = b"".join(
        length_prefixed(str(row.version), row.key_id, row.check_value, str(row.created_at), str(row.retired_at))
        for row in sorted(rows, key=lambda row: row.version)
    )
    return {
        "serial": state.serial,
        "promoted": state.promoted or 0,
        "deployment_id": deployment_id,
        "checks": checks,
    }
