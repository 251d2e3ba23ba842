"""The plugin: its section of ``plugins.yaml``, and what it does before it serves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.evidence import INSECURE
from strongroom.plugin import Capability, Host, hookimpl
from strongroom_confidential_workflows.cancellation import STOPPING
from strongroom_confidential_workflows.capability import CAPABILITY_ID, ConfidentialWorkflows
from strongroom_confidential_workflows.evidence_config import FILES_WAIT_S, EvidenceConfig, RunnerSettings
from strongroom_confidential_workflows.https_get import AllowedHttps
from strongroom_confidential_workflows.launcher import Launcher
from strongroom_confidential_workflows.launchers.choice import LOCAL_LAUNCHERS, check_launcher, open_starter
from strongroom_confidential_workflows.limits import EXECUTIONS_MAX
from strongroom_confidential_workflows.sources import BinarySource

__all__ = ["ConfidentialWorkflowsPlugin"]

_HOST: Final = re.compile(r"(?!-)[a-z0-9.-]{1,253}(?::[1-9][0-9]{0,4})?")


@dataclass(slots=True, kw_only=True, eq=False)
class ConfidentialWorkflowsPlugin:
    """``executions_max`` run at once; ``spare_runners`` wait for them.

    ``https_hosts`` (``name`` or ``name:port``) and ``file_directories`` (absolute) list where binaries may come from
    beside the host's own artifacts; both are empty unless configured.

    ``evidence`` says what this machine's evidence is, ``enclave_config_file`` holds what its runners believe, see
    ``evidence_config``. ``launcher`` starts runners; ``external`` ones run at ``external_address`` and bring their own.
    With ``pool_socket`` the processes of launcher ``process`` are started by ``strongroom-runner``.
    """

    executions_max: int = 4
    spare_runners: int = 1
    https_hosts: Sequence[str] = ()
    file_directories: Sequence[str] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)  # Any: whatever YAML can hold
    enclave_config_file: str = ""
    launcher: str = "process"
    external_address: str = ""
    pool_socket: str = ""
    _evidence: EvidenceConfig = field(init=False, repr=False)
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
        check_launcher(self.launcher, self.external_address, self.pool_socket)
        is_local = self.launcher in LOCAL_LAUNCHERS
        self._evidence = EvidenceConfig.from_config(self.evidence, is_local=is_local)
        if self._evidence.has_one_client and (self.executions_max, self.spare_runners) != (1, 0):
            raise ValueError(
                "executions_max must be 1 and spare_runners 0 where evidence.device is a socket: it takes one client"
            )
        if is_local and not (isinstance(self.enclave_config_file, str) and self.enclave_config_file):
            raise ValueError("enclave_config_file must be the file that the operator of the vault gave out for runners")

    @hookimpl
    def start(self, host: Host) -> None:
        """Start the first runners, and say plainly what this backend is not."""
        source = BinarySource(
            artifacts=host.artifacts,
            file_directories=tuple(Path(directory).resolve() for directory in self.file_directories),
            https_get=AllowedHttps(hosts=frozenset(self.https_hosts)) if self.https_hosts else None,
        )
        settings = RunnerSettings(
            evidence=self._evidence,
            enclave_config_file=Path(self.enclave_config_file),
            # Elsewhere nobody but an operator makes the files, and a status that waits for one tells nothing sooner.
            wait_s=FILES_WAIT_S if host.mode == "dev" else 0.0,
        )
        starter = open_starter(
            self.launcher, settings.configure, external_address=self.external_address, pool_socket=self.pool_socket
        )
        self._launcher = Launcher(host.log, spares=self.spare_runners, starter=starter, edition=settings.edition)
        self._launcher.start()
        self._service = ConfidentialWorkflows(
            self._launcher,
            source,
            host.registry,
            host.log,
            kind=self._evidence.kind,
            regions=self._evidence.regions,
            executions_max=self.executions_max,
        )
        if self._evidence.kind in INSECURE_KINDS:
            host.log.warning("backend %s: %s", self._evidence.kind, INSECURE)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``confidential-workflows@1.0.0-alpha``."""
        if self._service is None:
            return []
        kind = self._evidence.kind
        what = f"{kind}, without hardware protection" if kind in INSECURE_KINDS else kind
        description = f"Runs workflows in enclave runners: {what}"
        return [Capability(id=CAPABILITY_ID, description=description, methods=self._service.methods())]

    @hookimpl
    def stop(self) -> None:
        """Cut off what runs, which its host may have executed again, and kill every runner."""
        if self._service is not None:
            self._service.cut_off(STOPPING)
        if self._launcher is not None:
            self._launcher.close()


def _check_range(name: str, value: int, lowest: int, highest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"{name} must be a whole number in {lowest}..{highest}")
