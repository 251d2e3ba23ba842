"""The plugin: its section of ``plugins.yaml``, and what it does before it serves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from strongroom.plugin import Capability, Host, hookimpl
from strongroom_confidential_workflows.capability import CAPABILITY_ID, LABEL, ConfidentialWorkflows
from strongroom_confidential_workflows.https_get import AllowedHttps
from strongroom_confidential_workflows.launcher import Launcher
from strongroom_confidential_workflows.limits import EXECUTIONS_MAX
from strongroom_confidential_workflows.sources import BinarySource

__all__ = ["ConfidentialWorkflowsPlugin"]

_HOST: Final = re.compile(r"(?!-)[a-z0-9.-]{1,253}(?::[1-9][0-9]{0,4})?")


@dataclass(slots=True, kw_only=True, eq=False)
class ConfidentialWorkflowsPlugin:
    """``executions_max`` run at once; ``spare_runners`` wait for them.

    ``https_hosts`` (``name`` or ``name:port``) and ``file_directories`` (absolute) list where binaries may come from
    beside the host's own artifacts; both are empty unless configured.
    """

    executions_max: int = 4
    spare_runners: int = 1
    https_hosts: Sequence[str] = ()
    file_directories: Sequence[str] = ()
    _launcher: Launcher | None = field(default=None, init=False, repr=False)
    _service: ConfidentialWorkflows | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        _check_range("executions_max", self.executions_max, 1, EXECUTIONS_MAX)
        _check_range("spare_runners", self.spare_runners, 0, EXECUTIONS_MAX)
        for name in ("https_hosts", "file_directories"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(item, str) for item in value):
                raise ValueError(f"{name} must be a list of texts")
        for host in self.https_hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f"https_hosts: {host!r} is not a lower-case host name, or name:port")
        for directory in self.file_directories:
            if not Path(directory).is_absolute():
                raise ValueError(f"file_directories: {directory!r} is not an absolute path")

    @hookimpl
    def start(self, host: Host) -> None:
        """Start the first runners, and say plainly what this backend is not."""
        source = BinarySource(
            artifacts=host.artifacts,
            file_directories=tuple(Path(directory).resolve() for directory in self.file_directories),
            https_get=AllowedHttps(hosts=frozenset(self.https_hosts)) if self.https_hosts else None,
        )
        self._launcher = Launcher(host.log, spares=self.spare_runners)
        self._launcher.start()
        self._service = ConfidentialWorkflows(
            self._launcher, source, host.registry, host.log, executions_max=self.executions_max
        )
        host.log.warning(
            "backend %s: no hardware protects confidential workflows on this machine; its operator can read them", LABEL
        )

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``confidential-workflows@1.0.0-alpha``."""
        if self._service is None:
            return []
        description = f"Runs workflows in {LABEL} enclave runners, without hardware protection"
        return [Capability(id=CAPABILITY_ID, description=description, methods=self._service.methods())]

    @hookimpl
    def stop(self) -> None:
        """Kill every runner."""
        if self._launcher is not None:
            self._launcher.close()


def _check_range(name: str, value: int, lowest: int, highest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"{name} must be a whole number in {lowest}..{highest}")
