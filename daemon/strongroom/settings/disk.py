"""The section ``disk``: how much room is kept free, below which the host accepts nothing new."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["DiskSettings"]

Bytes = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000_000)]


class DiskSettings(BaseModel):
    """The section ``disk``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low_bytes: Bytes = Field(
        default=256_000_000,
        description="Free space of state, cache and audit log below which nothing new is accepted; a tenth at most.",
    )
    high_bytes: Bytes = Field(
        default=384_000_000,
        description="Free space from which on the host accepts again; a seventh of the file system at most.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> "DiskSettings":
        if self.high_bytes < self.low_bytes:
            raise ValueError("high_bytes must not be below low_bytes")
        return self
