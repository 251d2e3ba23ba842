"""The section ``workspaces``: whose workspaces this host mounts, where their keys come from, and how large they get."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from strongroom.settings.fields import AbsolutePath, Text

__all__ = ["WorkspaceSettings"]

Count = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Bytes = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]
Milliseconds = Annotated[int, Field(strict=True, ge=1, le=86_400_000)]
OWNER_CHARS_MAX = 256
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1")


def _owner_id(text: str) -> str:
    if not 1 <= len(text) <= OWNER_CHARS_MAX or not text.isprintable():
        raise ValueError(f"an owner id is 1 to {OWNER_CHARS_MAX} characters that can be printed")
    return text


def _address(text: str) -> str:
    if not text:
        return text
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("it is not a URL: write https://HOST") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("it is not a URL: write https://HOST")
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(parts.hostname):
        raise ValueError("keys and tokens cross it, so it must begin with https://, except on this machine")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("it holds a user, a query or a fragment, which belong nowhere in it")
    return text.rstrip("/")


OwnerId = Annotated[Text, AfterValidator(_owner_id)]
Address = Annotated[Text, AfterValidator(_address)]


class WorkspaceSettings(BaseModel):
    """The section ``workspaces``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner_id: OwnerId = Field(
        default="shared",
        description="Owner whose keys seal workspaces, while keys come from this host; another one reads nothing.",
    )
    session_url: Address = Field(
        default="",
        description="Server that says who is signed in and gives the keys; empty: from the keyring of this host.",
    )
    token_url: Address = Field(
        default="",
        description="Where an access token is refreshed (OAuth 2); empty: at its end somebody signs in again.",
    )
    client_id: Text = Field(
        default="strongroom",
        description="Name of this host as a client of token_url.",
    )
    session_file: AbsolutePath | None = Field(
        default=None,
        description="Grant and keys of who is signed in, mode 0600; unset: in state_dir, whose copies then hold them.",
    )
    session_ca_file: AbsolutePath | None = Field(
        default=None,
        description="Certificates that session_url and token_url are checked against, PEM; unset: those of the system.",
    )
    session_timeout_ms: Milliseconds = Field(
        default=15_000,
        description="Time of one request to session_url or token_url; workspaces go on with the keys they have.",
    )
    session_check_every_ms: Milliseconds = Field(
        default=600_000,
        description="How often session_url is asked whether owner and keys are still the same.",
    )
    mounts_max: Count = Field(
        default=64,
        description="Mounted workspaces; each is a document in memory, a log with two threads, and perhaps a socket.",
    )
    entries_max: Count = Field(
        default=1_000_000,
        description="Entries of one workspace beyond which this host adds none; a million take a gigabyte of memory.",
    )
    value_bytes_max: Bytes = Field(
        default=1_048_576,
        description="Size of one value as JSON; it is sealed, merged and synced as a whole.",
    )
