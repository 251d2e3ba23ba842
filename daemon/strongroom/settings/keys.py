"""The section ``keys``: which provider gives the host its root secrets."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from strongroom.settings.fields import AbsolutePath, Text

__all__ = ["KeySettings"]

ProviderName = Annotated[Text, Field(max_length=64, pattern=r"^([a-z0-9][a-z0-9-]*)?$")]


class KeySettings(BaseModel):
    """The section ``keys``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: ProviderName = Field(
        default="",
        description="systemd-credential, file, environment, tpm-file, or a plugin's; empty: the first three in turn.",
    )
    tpm_file: AbsolutePath = Field(
        default=Path("/etc/strongroom/keyring.tpm"),
        description="What `strongroom keys seal-tpm` wrote, for the provider tpm-file; no other TPM opens it.",
    )
    tpm_device: AbsolutePath = Field(
        default=Path("/dev/tpmrm0"),
        description="The TPM that opens tpm_file: a device, or the UNIX socket of a software TPM.",
    )
