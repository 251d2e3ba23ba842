"""The section ``api``: the API over TCP, for callers on other machines. Off as shipped: without ``listen`` no port is
opened, and with it nothing is spoken but TLS."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from strongroom.settings.fields import AbsolutePath, Text

__all__ = ["ApiSettings", "listen_address"]

PORT_MAX: Final = 65_535
_LISTEN: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%]{2,64}\]|[0-9A-Za-z.-]{1,253}):([0-9]{1,5})")


def listen_address(text: str) -> str:
    """``text``, which is HOST:PORT or empty. Raises ``ValueError``."""
    found = _LISTEN.fullmatch(text)
    if text and (found is None or int(found[1]) > PORT_MAX):
        raise ValueError("it is no address: write HOST:PORT, an IPv6 address in brackets")
    return text


class ApiSettings(BaseModel):
    """The section ``api``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Annotated[Text, AfterValidator(listen_address)] = Field(
        default="",
        description="HOST:PORT for gRPC over TLS; empty is off. Nobody may do anything there but by callers_file.",
    )
    tls_certificate_file: AbsolutePath | None = Field(
        default=None,
        description="TLS certificate of api.listen with its chain, PEM.",
    )
    tls_key_file: AbsolutePath | None = Field(
        default=None,
        description="Private key of the certificate, PEM, mode 0600.",
    )
    tls_client_ca_file: AbsolutePath | None = Field(
        default=None,
        description="Who signs certificates of clients, PEM; with it every client must have one (mutual TLS).",
    )
