"""What of a running host is well and what is not: the one list that ``status``, ``top`` and readiness are made of.

Rule 1: it asks nobody and waits for nothing. What lies behind plugins was asked by ``Reach``, on a clock of its own.
Rule 2: what is said here is names, states, codes and what to do; the texts of errors are for ``status`` alone, whose
reader is known.
Rule 3: what each check makes of a host stands with the check: ``degraded``, or one that blocks readiness.
"""

from collections.abc import Iterator
from typing import Final

from strongroom.app.build import Parts
from strongroom.app.lock import Keeper
from strongroom.app.reach import Reach, Reached
from strongroom.app.reload import Reloader
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.services.probes import Check

__all__ = ["Condition"]

MEND_LOG: Final = "make room for it, or repair its disk; see docs/audit.md"
WELL: Final = frozenset({Lifecycle.READY, Lifecycle.DISABLED})


class Condition:
    """Looks at the parts of one host."""

    def __init__(self, parts: Parts, keeper: Keeper, reloader: Reloader, reach: Reach) -> None:
        self._parts = parts
        self._keeper = keeper
        self._reloader = reloader
        self._reach = reach

    def checks(self) -> list[Check]:
        """Each of them, well or not."""
        parts = self._parts
        return [
            self._lock(),
            self._audit(),
            self._disk(),
            self._runners(),
            *(_plugin(each) for each in parts.plugins.states()),
            *_confidential(self._reach.last),
            *(_workspace(each.name, each.code) for each in parts.workspaces.mounts.all() if each.state == "failed"),
            self._reload(),
        ]

    def _lock(self) -> Check:
        if self._keeper.problem:
            why = f"this host does not hold it, so it writes nothing: {self._keeper.problem}"
            fix = "if another host has the database, stop one of them; else see that its server answers"
            return Check("lock of the database", False, why, fix, "unavailable")
        return Check("lock of the database", True)

    def _audit(self) -> Check:
        audit = self._parts.audit
        if not audit.is_ready:
            why = "it takes no record, and what is not on record is not done"
            return Check("audit", False, why, MEND_LOG, "read_only")
        if audit.log.failing:
            return Check("audit", False, "it takes no record", MEND_LOG)
        if audit.log.state().problems:
            why = "it does not hold, was moved or cut, or has given up its reserve"
            return Check("audit", False, why, "see what `strongroom status` names as AUDIT LOG, and docs/audit.md")
        if lost := audit.audit.unrecorded:
            why = f"{lost} records could not be written since the start"
            return Check("audit", False, why, "see the log of the host for why, and docs/audit.md")
        return Check("audit", True)

    def _disk(self) -> Check:
        if self._parts.disk.is_low:
            return Check("disk", False, "there is no room left", "make room; the host goes on by itself", "read_only")
        return Check("disk", True)

    def _runners(self) -> Check:
        if self._parts.pool.is_without_runners():
            fix = "its log says why; see that strongroom-runner is up, or restart the host that starts it itself"
            return Check("runners", False, "none starts, so no run goes on", fix)
        return Check("runners", True)

    def _reload(self) -> Check:
        if self._reloader.problem:
            why = "configuration on the disk was refused, and the one before it serves on"
            fix = "correct what `strongroom status` names as NOT RELOADED, then `strongroom reload`"
            return Check("reload", False, why, fix)
        return Check("reload", True)


def _plugin(plugin: PluginState) -> Check:
    if plugin.state in WELL:
        return Check(f"plugin {plugin.name}", True)
    fix = f"correct what `strongroom plugin list` shows, then `strongroom plugin reload {plugin.name}`"
    return Check(f"plugin {plugin.name}", False, f"it is {plugin.state}", fix)


def _workspace(name: str, code: str) -> Check:
    fix = "`strongroom workspace list` shows why; see docs/errors.md"
    return Check(f"workspace {name}", False, f"it is not open: {code}", fix)


def _confidential(reached: Reached) -> Iterator[Check]:
    """What confidential workflows need, as it was when it was last asked; nothing of what nobody offers."""
    if reached.backend_problem:
        why = "its plugin is there and cannot execute confidential workflows"
        yield Check("confidential backend", False, why, "correct what `strongroom doctor` finds")
    elif (backend := reached.backend) is not None and backend.insecure:
        why = f"{backend.label} gives no hardware protection"
        fix = "for development only; elsewhere configure a backend on hardware, see docs/attestation.md"
        yield Check("confidential backend", False, why, fix)
    elif reached.backend is not None:
        yield Check("confidential backend", True)
    if reached.vault_problem:
        yield Check(
            "vault", False, "it cannot be reached", "see that it runs at the address that `strongroom doctor` names"
        )
    elif reached.vault_problem is not None:
        yield Check("vault", True)
