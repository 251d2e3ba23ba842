"""The keyring of one owner, derived from the roots of this host.

Source: contracts/workspace-encryption.md 4. The label has no version and is used as it stands; ``shared`` is the owner
of a host that everybody on it shares.
"""

from typing import Final

from strongroom.crypto.framing import encoded
from strongroom.crypto.keyring_entry import Keyring, entry_of
from strongroom.keyring.root import RootKeyring

__all__ = ["SHARED_OWNER_ID", "derive_keyring"]

SHARED_OWNER_ID: Final = "shared"
_LABEL: Final = b"owner:"


def derive_keyring(root: RootKeyring, owner_id: str) -> Keyring:
    """One key for each version of ``root``, highest first; the version that writes is that of ``root``.

    Raises ``InvalidInput`` for a name that UTF-8 cannot carry.
    """
    info = _LABEL + encoded(owner_id)
    root = root.changed()  # as it is at this moment, whatever is promoted meanwhile
    versions, writing = root.versions, root.writing_version
    entries = tuple(entry_of(version, root.workspace_owner_key(version, info)) for version in versions)
    return Keyring(entries, None if writing == max(versions) else writing)
