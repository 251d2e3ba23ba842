"""What operators do with registered workflows: look, pause, activate, delete."""

from collections.abc import Callable

from strongroom.engine.host import EngineHost
from strongroom.engine.specs import ACTIVE, PAUSED, Spec, TamperedSpec
from strongroom.errors import WrongState

__all__ = ["Catalog"]


class Catalog:
    """The registered workflows. ``busy`` counts the unfinished runs of a workflow."""

    def __init__(self, host: EngineHost, busy: Callable[[str], int]) -> None:
        self._host = host
        self._busy = busy

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
        """Forget the record; past runs stay. Returns its id. Raises ``WrongState`` while runs are unfinished."""
        spec = self._host.specs.find(owner, name_or_id)
        busy = self._busy(spec.workflow_id)
        if busy:
            raise WrongState(
                "SR-WF-011",
                f"workflow {spec.row.workflow_name} has {busy} unfinished runs",
                fix="pause it, wait for them or cancel them, then delete",
                workflow_id=spec.workflow_id,
                runs=busy,
            )
        if not validate_only:
            self._host.specs.remove(spec)
            self._host.drop_module(spec.workflow_id)
        return spec.workflow_id

    def _with_status(self, owner: str, name_or_id: str, status: str) -> Spec:
        spec = self._host.specs.find(owner, name_or_id)
        return spec if spec.row.status == status else self._host.specs.set_status(spec, status)
