"""What a runner is before it has seen an execution: its configuration, its measurement, its provider of evidence.

Everything here needs files or devices, so it happens before the process seals itself.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.attest.enclave_config import EnclaveConfig, decode_enclave_config
from strongroom.attest.measurement import RUNNER_PACKAGES, measurement_of
from strongroom.attest.runtime_data import RunnerBuild
from strongroom.attest.software import KIND as SOFTWARE
from strongroom.crypto.signing import SigningKey
from strongroom.plugin.installed import program_files
from strongroom_confidential_workflows.messages import Configure
from strongroom_confidential_workflows.providers.choice import EvidenceSettings, open_provider
from strongroom_confidential_workflows.providers.provider import EvidenceProvider
from strongroom_confidential_workflows.providers.software import SoftwareIdentity
from strongroom_confidential_workflows.tees import Tees, provided_tees

__all__ = ["RUNNER", "RunnerSetup", "open_setup"]

RUNNER: Final = RunnerBuild(build="strongroom-confidential-workflows 0.1.0", svn=1)
"""The security version rises when a fault of the runner is mended that secrets could be lost through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSetup:
    """``measurement`` is the digest over the runner's program files, as it takes it itself."""

    config: EnclaveConfig
    config_sha256: bytes
    provider: EvidenceProvider
    measurement: bytes
    tees: Tees = ()
    runner: RunnerBuild = RUNNER


def open_setup(configure: Configure) -> RunnerSetup:
    """Read the configuration, take the measurement, open the provider.

    Raises ``EvidenceRejected`` for a configuration that is none, ``Misconfigured`` when the device is missing or
    another one.
    """
    config = decode_enclave_config(configure.enclave_config)
    measurement = measurement_of(program_files(RUNNER_PACKAGES))
    software = None
    if configure.evidence_kind == SOFTWARE and configure.software_key:
        key = SigningKey.from_raw(configure.software_key)
        software = SoftwareIdentity(measurement, key, configure.software_certificate, configure.software_authority)
    settings = EvidenceSettings(
        kind=configure.evidence_kind,
        device=Path(configure.device) if configure.device else None,
        pcrs=frozenset(configure.pcrs),
        endorsements=configure.endorsements,
        software=software,
    )
    return RunnerSetup(
        config=config,
        config_sha256=config.sha256(),
        provider=open_provider(settings),
        measurement=measurement,
        tees=provided_tees(configure.evidence_kind, configure.regions),
    )
