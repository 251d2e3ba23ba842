"""The section ``observe``: where probes and metrics are served, over HTTP and apart from the API.

A Unix socket beside the API's, and an address on request: whoever may reach either reads names of plugins and
capabilities, counts and states, and changes nothing.
"""

import ipaddress
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from strongroom.settings.api import listen_address
from strongroom.settings.fields import AbsolutePath, Flag, Text

__all__ = ["ObserveSettings", "is_loopback"]

LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine for certain: an address of the loopback, or its usual name."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


class ObserveSettings(BaseModel):
    """The section ``observe``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: Flag | None = Field(
        default=None,
        description="Whether /livez, /readyz and /metrics are served; unset means yes in `serve` and no in `dev`.",
    )
    socket: AbsolutePath | None = Field(
        default=None,
        description="Unix socket for them, mode 0660; unset: observe.sock beside strongroom.sock.",
    )
    listen: Annotated[Text, AfterValidator(listen_address)] = Field(
        default="",
        description="HOST:PORT for them over plain HTTP as well, such as 127.0.0.1:9464; empty is off.",
    )
    allow_remote: Flag = Field(
        default=False,
        description="Whether observe.listen may be reached from other machines; nobody there is asked who he is.",
    )

    @model_validator(mode="after")
    def _here_unless_told(self) -> Self:
        if self.listen and not self.allow_remote and not is_loopback(self.listen.rpartition(":")[0]):
            raise ValueError("listen is no address of this machine alone; allow_remote: true says that it may be so")
        return self

    def is_on(self, mode: str) -> bool:
        """Whether they are served in ``mode``, "dev" or "serve"; who names a place wants them there."""
        if self.enabled is None:
            return mode == "serve" or bool(self.listen) or self.socket is not None
        return self.enabled
