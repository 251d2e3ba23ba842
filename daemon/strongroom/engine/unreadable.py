"""Why something that is sealed does not open. Each cause has a code of its own and something else to do about it.

What an envelope says of itself is not authenticated, so this only explains: nothing is believed because of it.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from strongroom.crypto.srn1 import PREFIX
from strongroom.errors import KeyMissing, StrongroomError
from strongroom.keyring.run_keys import RunEncryptor
from strongroom.storage import key_checks, meta
from strongroom.storage.database import Connection, Database
from strongroom.storage.key_checks import KeyCheckRow

__all__ = ["DEPLOYMENT_ID", "Explainer", "Fault", "Unreadable", "fault_of"]

DEPLOYMENT_ID: Final = "deployment_id"
"""Its name among the facts about a database."""


class Fault(StrEnum):
    """The causes."""

    WRONG_KEY = "wrong_key"
    KEY_MISSING = "key_missing"
    TAMPERED = "tampered"
    NOT_OURS = "not_ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """One thing that does not open, in words, with a code that stays."""

    fault: Fault
    code: str
    what: str
    why: str
    fix: str
    key_version: int = 0
    key_id_expected: str = ""

    def about_a_key(self) -> KeyMissing | None:
        """The error to raise where a key is what is wrong; nothing for what was changed, or is not ours."""
        if self.fault not in {Fault.KEY_MISSING, Fault.WRONG_KEY}:
            return None
        return KeyMissing(
            self.code,
            self.what,
            why=self.why,
            fix=self.fix,
            key_version=self.key_version,
            expected=self.key_id_expected,
        )


def fault_of(error: StrongroomError, sealed: bytes = b"") -> Fault:
    """What ``error`` says of ``sealed``, or of a row with a MAC, as far as they alone can tell."""
    if isinstance(error, KeyMissing):
        return Fault.KEY_MISSING
    # SQLite keeps a value of any type in any column.
    if isinstance(sealed, bytes) and len(sealed) >= len(PREFIX) and not sealed.startswith(PREFIX):
        return Fault.NOT_OURS
    return Fault.TAMPERED


class Explainer:
    """Explains faults, for one answer: what the database says of keys is read once, and only where something fails."""

    def __init__(self, database: Database, run_keys: RunEncryptor) -> None:
        self._database = database
        self._run_keys = run_keys

    def explain(self, thing: str, fault: Fault, key_version: int, *, elsewhere: bool = False) -> Unreadable:
        """Why ``thing`` does not open. ``elsewhere`` says that nothing beside it opens either."""
        check = self._checks.get(key_version)
        expected = check.key_id if check is not None else ""
        if fault is Fault.TAMPERED and check is not None and self._run_keys.fits(check) is False:
            fault = Fault.WRONG_KEY
        elif fault is Fault.TAMPERED and (elsewhere or self._is_of_another_deployment):
            fault = Fault.NOT_OURS
        if fault is Fault.KEY_MISSING:
            held = ", ".join(self._run_keys.key_ids)
            return Unreadable(
                fault=fault,
                code="SR-VIEW-002",
                what=f"the key of {thing} is missing: version {key_version}" + (f", {expected}" if expected else ""),
                why=f"the keyring of this host has {held}",
                fix=f"add the secret of version {key_version} to the keyring: strongroom keys add",
                key_version=key_version,
                key_id_expected=expected,
            )
        if fault is Fault.WRONG_KEY:
            return Unreadable(
                fault=fault,
                code="SR-VIEW-001",
                what=f"{thing} was sealed with another secret than version {key_version} of the keyring is",
                why=f"the database knows version {key_version} as {expected}, and the check of that key does not fit",
                fix="put back the keyring that this database was written with",
                key_version=key_version,
                key_id_expected=expected,
            )
        if fault is Fault.NOT_OURS:
            return Unreadable(
                fault=fault,
                code="SR-VIEW-004",
                what=f"{thing} was not sealed by this host",
                why="it has a format of somebody else, or was copied from the database of another deployment",
                fix="open it where it was sealed; what other implementations made is for strongroom.interop",
                key_version=key_version,
            )
        return Unreadable(
            fault=fault,
            code="SR-VIEW-003",
            what=f"{thing} failed authentication",
            why="it was changed outside strongroom, or moved here from another place",
            fix="restore it from a backup; nothing of it is used",
            key_version=key_version,
        )

    @cached_property
    def _checks(self) -> dict[int, KeyCheckRow]:
        return {row.version: row for row in self._facts[0]}

    @cached_property
    def _is_of_another_deployment(self) -> bool:
        return self._facts[1] not in {None, self._run_keys.deployment_id}

    @cached_property
    def _facts(self) -> tuple[list[KeyCheckRow], str | None]:
        def read(connection: Connection) -> tuple[list[KeyCheckRow], str | None]:
            return key_checks.all(connection), meta.get(connection, DEPLOYMENT_ID)

        return self._database.read(read)
