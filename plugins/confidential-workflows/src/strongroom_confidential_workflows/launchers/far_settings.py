"""The configuration file of the machine that external runners are on, in TOML. Nothing of it comes from a plugin."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.plugin import Misconfigured
from strongroom_confidential_workflows.evidence_config import EvidenceConfig, RunnerSettings
from strongroom_confidential_workflows.launchers import process
from strongroom_confidential_workflows.launchers.choice import LOCAL_LAUNCHERS
from strongroom_confidential_workflows.limits import EXECUTIONS_MAX

__all__ = ["FarSettings", "read_far_settings"]

FILE_BYTES_MAX: Final = 64 * 1024
RUNNERS_MAX_DEFAULT: Final = 5
"""A plugin as shipped runs four, and keeps one more warm."""
_KEYS: Final = frozenset({"enclave_config_file", "evidence", "launcher", "runners_max"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FarSettings:
    """``runners`` gives what each runner is configured with, ``launcher`` how it is started, at most ``runners_max`` at
    once."""

    runners: RunnerSettings
    launcher: str
    runners_max: int


def read_far_settings(path: Path) -> FarSettings:
    """The settings in the file. Raises ``Misconfigured``, which names the key."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise ValueError(f"it is larger than {FILE_BYTES_MAX} bytes")
        return _settings(tomllib.loads(content.decode()))
    except OSError as error:
        raise _bad(path, error.strerror or type(error).__name__) from error
    except ValueError as error:
        raise _bad(path, str(error)) from error


def _settings(untrusted: Mapping[str, Any]) -> FarSettings:  # Any: whatever TOML can hold
    if unknown := sorted(untrusted.keys() - _KEYS):
        raise ValueError(f"unknown key {unknown[0][:100]}; there are {', '.join(sorted(_KEYS))}")
    file = untrusted.get("enclave_config_file")
    if not isinstance(file, str) or not Path(file).is_absolute():
        raise ValueError("enclave_config_file must be the absolute name of the file that the vault's operator made")
    launcher = untrusted.get("launcher", process.NAME)
    if launcher not in LOCAL_LAUNCHERS:
        raise ValueError(f"launcher must be one of {', '.join(LOCAL_LAUNCHERS)}")
    runners_max = untrusted.get("runners_max", RUNNERS_MAX_DEFAULT)
    if type(runners_max) is not int or not 1 <= runners_max <= EXECUTIONS_MAX:
        raise ValueError(f"runners_max must be a whole number in 1..{EXECUTIONS_MAX}")
    evidence = EvidenceConfig.from_config(untrusted.get("evidence", {}))
    if evidence.has_one_client and runners_max != 1:
        raise ValueError("runners_max must be 1 where evidence.device is a socket: it takes one client")
    runners = RunnerSettings(evidence=evidence, enclave_config_file=Path(file))
    return FarSettings(runners=runners, launcher=launcher, runners_max=runners_max)


def _bad(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-ENCL-024",
        f"{path} is no configuration of enclave runners",
        why=why,
        fix="write it as the plugin's README has it",
        where=str(path),
    )
