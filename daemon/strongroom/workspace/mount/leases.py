"""``Leases``: the projects that this process owns now. Mounts of one project share one lease."""

import threading
from collections.abc import Collection
from pathlib import Path

from strongroom.workspace.mount.lease import Lease
from strongroom.workspace.mount.project_state import ProjectState, provision

__all__ = ["Leases"]


class Leases:
    """By directory. Safe for any thread."""

    def __init__(self) -> None:
        """None is held."""
        self._lock = threading.Lock()
        self._held: dict[Path, tuple[ProjectState, Lease]] = {}

    def take(self, project_dir: Path) -> tuple[ProjectState, Lease]:
        """The state and the lease of a project, taken where it was not. Raises what ``provision`` and ``Lease`` do."""
        with self._lock:
            held = self._held.get(project_dir)
            if held is not None and held[1].is_in_place():
                return held
            state = provision(project_dir)
            lease = Lease(state)
            if held is not None:
                # Another project stands there by now; what is open of the old one says that it is gone.
                held[1].release()
            self._held[project_dir] = (state, lease)
            return state, lease

    def keep_only(self, project_dirs: Collection[Path]) -> None:
        """Release every other one."""
        with self._lock:
            for project_dir in [each for each in self._held if each not in project_dirs]:
                self._held.pop(project_dir)[1].release()
