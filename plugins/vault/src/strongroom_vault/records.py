"""Secrets in the vault's own file, for the shelf: the ``Store`` of a host, without the host."""

from strongroom_vault.state import State

__all__ = ["Records"]


class Records:
    """Values by owner and key. What is put here is sealed already."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, key: str, *, owner: str = "") -> bytes | None:
        """The value, or ``None``."""
        with self._state.transaction() as database:
            row = database.execute("SELECT value FROM records WHERE owner = ? AND key = ?", (owner, key)).fetchone()
        return bytes(row[0]) if row is not None else None

    def put(self, key: str, value: bytes, *, owner: str = "") -> None:
        """Replace the value; it is on disk when this returns."""
        with self._state.transaction() as database:
            database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (owner, key, value))

    def delete(self, key: str, *, owner: str = "") -> None:
        """Remove the value. Removing what is not there succeeds."""
        with self._state.transaction() as database:
            database.execute("DELETE FROM records WHERE owner = ? AND key = ?", (owner, key))

    def list(self, prefix: str = "", *, owner: str = "") -> list[str]:
        """The keys that start with ``prefix``, in ascending order."""
        statement = "SELECT key FROM records WHERE owner = ? AND substr(key, 1, ?) = ? ORDER BY key"
        with self._state.transaction() as database:
            return [row[0] for row in database.execute(statement, (owner, len(prefix), prefix))]
