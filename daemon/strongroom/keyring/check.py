"""Does this host hold the root secrets that its database was written with?

The database keeps one row per key version ever used: the key id, which people can compare, and a keyed value, which
only the right root gives. A wrong secret is found when the daemon starts and not when the first run fails to open.
A version that was retired may be absent; its number belongs to its secret for ever.
"""

import hmac
from collections.abc import Iterable
from typing import Final

from strongroom.errors import KeyMissing
from strongroom.keyring.root import KEY_CHECK, RootKeyring
from strongroom.storage.key_checks import KeyCheckRow

__all__ = ["check_value", "is_key_of", "verify"]

_LABEL: Final = b"strongroom/key-check/v1"


def check_value(root: RootKeyring, version: int) -> bytes:
    """32 bytes that only the root of ``version`` gives."""
    return root.subroot(KEY_CHECK, version).mac(_LABEL)


def is_key_of(root: RootKeyring, row: KeyCheckRow) -> bool:
    """Whether the version of ``row``, which ``root`` holds, is the key that the row was made of."""
    # SQLite keeps a value of any type in any column.
    stored = row.check_value if isinstance(row.check_value, bytes) else b""
    return hmac.compare_digest(stored, check_value(root, row.version))


def verify(root: RootKeyring, rows: Iterable[KeyCheckRow], *, now_ms: int = 0) -> list[KeyCheckRow]:
    """The rows that are still to be added to ``rows`` for the versions of ``root``, made at ``now_ms``.

    Raises ``KeyMissing``, naming expected and offered key ids, when a version of the database is absent from the
    keyring and not retired, or has another secret.
    """
    known = {row.version: row for row in rows}
    for version, row in sorted(known.items()):
        offered = root.key_id(version) if version in root.versions else ""
        if offered and is_key_of(root, row):
            continue
        if row.retired_at:
            if offered:
                raise _number_used_up(row, offered)
            continue
        held = ", ".join(root.key_id(each) for each in root.versions)
        raise KeyMissing(
            "SR-KEY-003",
            f"the keyring does not fit the database: it needs key {row.key_id}",
            why=f"the keyring offers {offered} as version {version}" if offered else f"the keyring offers only {held}",
            fix="put back the keyring that this database was written with; nothing was changed",
            expected=row.key_id,
            offered=offered or held,
            key_version=version,
        )
    return [
        KeyCheckRow(
            version=version, key_id=root.key_id(version), check_value=check_value(root, version), created_at=now_ms
        )
        for version in sorted(root.versions)
        if version not in known
    ]


def _number_used_up(row: KeyCheckRow, offered: str) -> KeyMissing:
    return KeyMissing(
        "SR-KEY-021",
        f"key version {row.version} was retired, and its number is given to another secret",
        why=f"key {row.key_id} was retired, the keyring offers {offered} as version {row.version}",
        fix="give the new secret a version that was never used; nothing was changed",
        expected=row.key_id,
        offered=offered,
        key_version=row.version,
    )
