"""What operators do with registered workflows: look, pause, activate, delete."""

from strongroom.engine.host import EngineHost
from strongroom.engine.specs import ACTIVE, ID_CHARACTERS, PAUSED, Spec, TamperedSpec
from strongroom.errors import KeyMissing, Tampered

__all__ = ["Catalog"]


class Catalog:
    """The registered workflows."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def get(self, owner: str, name_or_id: str) -> Spec:
        """The record. Raises ``NotFound`` or ``Tampered``."""
        return self._host.specs.find(owner, name_or_id)

    def page(self, owner: str | None, before: tuple[int, str] | None, limit: int) -> list[Spec | TamperedSpec]:
        """Up to ``limit`` records, newest first."""
        return self._host.specs.page(owner, before, limit)

    def count(self) -> int:
        """How many workflows are registered."""
        return self._host.specs.count()

    def pause(self, owner: str, name_or_id: str) -> Spec:
        """Refuse new runs from now on; what runs goes on, and nothing is forgotten."""
        return self._with_status(owner, name_or_id, PAUSED)

    def activate(self, owner: str, name_or_id: str) -> Spec:
        """Accept new runs again."""
        return self._with_status(owner, name_or_id, ACTIVE)

    def delete(self, owner: str, name_or_id: str, *, validate_only: bool) -> str:
        """Forget the record; past runs stay. Returns its id. Raises ``WrongState`` while runs are unfinished.

        A record that failed authentication is deleted by its id: nothing of it is believed, and it stands in the way.
        """
        try:
            spec = self._host.specs.find(owner, name_or_id)
        except (Tampered, KeyMissing):
            if len(name_or_id) != ID_CHARACTERS:
                raise
            self._host.specs.remove(name_or_id, validate_only=validate_only)
            return name_or_id
        self._host.specs.remove(spec.workflow_id, validate_only=validate_only)
        if not validate_only:
            self._host.drop_module(spec)
        return spec.workflow_id

    def _with_status(self, owner: str, name_or_id: str, status: str) -> Spec:
        spec = self._host.specs.find(owner, name_or_id)
        return spec if spec.row.status == status else self._host.specs.set_status(spec, status)
