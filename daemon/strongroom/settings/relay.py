"""The section ``relay``: where workspaces meet, who may, and how much of the host they may use.

Off as shipped: without ``listen`` no socket is opened. What protects the code from itself, and what the protocol fixes,
are constants beside that code.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from strongroom.settings.fields import AbsolutePath, Text, as_tuple

__all__ = ["RelaySettings"]

Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Bytes = Annotated[int, Field(strict=True, ge=1_000, le=2_000_000_000)]
Milliseconds = Annotated[int, Field(strict=True, ge=1, le=86_400_000)]


class RelaySettings(BaseModel):
    """The section ``relay``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Text = Field(
        default="",
        description="HOST:PORT for WebSockets; empty is off. Beyond this machine only with a certificate and its key.",
    )
    tokens_file: AbsolutePath | None = Field(
        default=None,
        description="Who may sync: a line each, SHA-256 of the token in hex, owner, rw or ro. Without it nobody may.",
    )
    client_tokens_file: AbsolutePath | None = Field(
        default=None,
        description="What mounts of this host show to relays elsewhere: a line each, address and token, mode 0600.",
    )
    certificate_file: AbsolutePath | None = Field(
        default=None,
        description="TLS certificate with its chain, PEM; with it the relay speaks wss alone.",
    )
    key_file: AbsolutePath | None = Field(
        default=None,
        description="Private key of the certificate, PEM, mode 0600.",
    )
    origins: Annotated[tuple[Text, ...], BeforeValidator(as_tuple)] = Field(
        default=(),
        description="Web pages that may connect, as https://HOST; programs send no origin and need none.",
    )
    connections_max: Count = Field(
        default=256,
        description="Connections in all; each holds buffers, and a file descriptor of the host.",
    )
    connections_per_owner_max: Count = Field(
        default=64,
        description="Connections of one owner, so that one of several leaves room for the others.",
    )
    connections_per_room_max: Count = Field(
        default=32,
        description="Connections of one workspace; every change is sent to each of them.",
    )
    rooms_max: Count = Field(
        default=64,
        description="Workspaces in memory at once; those that nobody is in make room for others.",
    )
    rooms_per_owner_max: Count = Field(
        default=256,
        description="Workspaces of one owner on disk; a client names them, so that it could make any number.",
    )
    room_bytes_max: Bytes = Field(
        default=64_000_000,
        description="Stored size of one workspace, which is held in memory while somebody is in it.",
    )
    frames_per_second_max: Count = Field(
        default=200,
        description="Frames of 16 KiB of one connection in a second, lastingly; beyond it the relay reads more slowly.",
    )
    queue_bytes_max: Bytes = Field(
        default=16_000_000,
        description="What may wait to be sent to one connection; a reader that is slower is closed and comes again.",
    )
    handshake_timeout_ms: Milliseconds = Field(
        default=10_000,
        description="Time in which a connection must make its request, TLS included; a silent one holds a descriptor.",
    )
