"""The section ``audit``: where it is written down who did what, and what happens when it cannot be."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from strongroom.settings.fields import AbsolutePath, Text

__all__ = ["AuditSettings"]

FileBytes = Annotated[int, Field(strict=True, ge=65_536, le=1_073_741_824)]
ReserveBytes = Annotated[int, Field(strict=True, ge=0, le=1_073_741_824)]
HostId = Annotated[Text, Field(max_length=128, pattern=r"^[A-Za-z0-9._-]*$")]


class AuditSettings(BaseModel):
    """The section ``audit``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: AbsolutePath | None = Field(
        default=None,
        description="The audit log; unset: audit.jsonl in the service's logs directory, or else in state_dir.",
    )
    on_failure: Literal["refuse", "degrade"] | None = Field(
        default=None,
        description="What must be recorded and cannot be: refuse it, or go on and say so; unset: refuse in `serve`.",
    )
    file_bytes_max: FileBytes = Field(
        default=8_388_608,
        description="Size at which another file begins, twenty thousand records; a start reads one, in half a second.",
    )
    reserve_bytes: ReserveBytes | None = Field(
        default=None,
        description="Disk kept for records of a full disk; unset: 64 MB in `serve`, and none in `dev`.",
    )
    host_id: HostId = Field(
        default="",
        description="Name of this host in its records; empty: from the database, on PostgreSQL from machine and file.",
    )

    def refuses(self, mode: str) -> bool:
        """Whether what cannot be recorded is refused in ``mode``, "dev" or "serve".

        In ``dev`` nothing is held to account by the record, and a laptop with a full disk should go on.
        """
        return (self.on_failure or ("refuse" if mode == "serve" else "degrade")) == "refuse"

    def reserve(self, mode: str) -> int:
        """Bytes of the reserve in ``mode``."""
        if self.reserve_bytes is not None:
            return self.reserve_bytes
        return 67_108_864 if mode == "serve" else 0
