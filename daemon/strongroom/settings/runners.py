"""The section ``runners``: who starts the processes that execute guests. How many there are stands in ``limits``."""

from pydantic import BaseModel, ConfigDict, Field

from strongroom.settings.fields import AbsolutePath

__all__ = ["RunnerSettings"]


class RunnerSettings(BaseModel):
    """The section ``runners``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool_socket: AbsolutePath | None = Field(
        default=None,
        description="Socket of strongroom-runner, which then starts runners; unset: the host starts them itself.",
    )
