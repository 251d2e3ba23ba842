"""Every setting of the host, with its default and the reason for it.

The values are frozen: they are parsed once, and nothing changes them while the host runs. Layers, files and the
environment are the business of ``layers``; ``Settings()`` alone gives the built-in values and reads nothing.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from strongroom.settings.api import ApiSettings
from strongroom.settings.audit import AuditSettings
from strongroom.settings.disk import DiskSettings
from strongroom.settings.fields import AT_RELOAD, SECRET, AbsolutePath, Flag, Text, as_tuple
from strongroom.settings.keys import KeySettings
from strongroom.settings.limits import LimitSettings
from strongroom.settings.observe import ObserveSettings
from strongroom.settings.owners import OwnerSettings
from strongroom.settings.relay import RelaySettings
from strongroom.settings.runners import RunnerSettings
from strongroom.settings.sockets import admin_socket_beside, observe_socket_beside
from strongroom.settings.workspaces import WorkspaceSettings

__all__ = ["DEFAULT_OWNER", "LogSettings", "Settings", "packaged_manifest"]

# The owner of a host on which nobody said otherwise: visibly not a real address, and not the zero address, which
# other systems read as "nobody".
DEFAULT_OWNER: Final = "0" * 39 + "1"


def packaged_manifest() -> Path:
    """The ``plugins.yaml`` that ships inside the package."""
    return Path(__file__).with_name("plugins.yaml")


def _owner(text: str) -> str:
    digits = text.removeprefix("0x").removeprefix("0X")
    if not re.fullmatch(r"[0-9a-fA-F]{40}", digits):
        raise ValueError("an owner is 20 bytes: 40 hex digits, with or without 0x, in quotes")
    return digits.lower()


Owner = Annotated[str, Field(strict=True), AfterValidator(_owner)]


class LogSettings(BaseModel):
    """What the host says on stderr."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        json_schema_extra=AT_RELOAD,
        description="Least severity that is logged; debug names every call and is meant for one host at a time.",
    )
    format: Literal["text", "json"] = Field(
        default="text",
        json_schema_extra=AT_RELOAD,
        description="One line per event for people, or one JSON object per line for collectors.",
    )


class Settings(BaseSettings):
    """All settings. Names carry their unit last; paths are absolute."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    owner: Owner = Field(
        default=DEFAULT_OWNER,
        description="Owner of what is registered without one: 20 bytes as 40 hex digits, in quotes.",
    )
    owners_allowed: Annotated[tuple[Owner, ...], BeforeValidator(as_tuple)] = Field(
        default=(),
        description="Other owners that a client may name; empty, so that one host serves one owner until told.",
    )
    state_dir: AbsolutePath = Field(
        default=Path("/var/lib/strongroom"),
        description="Database and lock; whoever can write here can remove runs, but not read or forge them.",
    )
    cache_dir: AbsolutePath = Field(
        default=Path("/var/cache/strongroom"),
        description="Compiled workflows, authenticated; may be deleted at any time at the price of compiling again.",
    )
    runtime_dir: AbsolutePath = Field(
        default=Path("/run/strongroom"),
        description="Sockets of plugins; private to the host and empty after a restart.",
    )
    keys_dir: AbsolutePath = Field(
        default=Path("/etc/strongroom/keys"),
        description="Key files of plugins, such as the vault's; apart from the state, so that no copy holds both.",
    )
    vault_public_key_file: AbsolutePath | None = Field(
        default=None,
        description="Public key of the vault that a client seals to; without it see docs/vault.md.",
    )
    socket: AbsolutePath = Field(
        default=Path("/run/strongroom/strongroom.sock"),
        description="Unix socket of the API, mode 0660; who may open it may read, run and register for every owner.",
    )
    admin_socket: AbsolutePath | None = Field(
        default=None,
        description="Unix socket that gives every role, mode 0600; unset: admin.sock beside strongroom.sock.",
    )
    callers_file: AbsolutePath | None = Field(
        default=None,
        json_schema_extra=AT_RELOAD,
        description="Who else may call, and what: digests of tokens, names of certificates, grants; mode 0600.",
    )
    token_file: AbsolutePath | None = Field(
        default=None,
        description="Token that a client shows to the host, mode 0600; it adds what callers_file grants.",
    )
    database_url: Text = Field(
        default="",
        repr=False,
        json_schema_extra=SECRET,
        description="sqlite:///FILE (a % in it as %25), or postgresql+psycopg://…; empty means SQLite in state_dir.",
    )
    keyring_file: AbsolutePath = Field(
        default=Path("/etc/strongroom/keyring"),
        description="Root secrets; `dev` makes one, `serve` never does, since a new one could not read the old state.",
    )
    keys: KeySettings = Field(
        default_factory=KeySettings,
        description="Which provider gives the root secrets; without one they are looked for in three places.",
    )
    plugins_file: AbsolutePath = Field(
        default_factory=packaged_manifest,
        json_schema_extra=AT_RELOAD,
        description="The manifest of plugins; installed does not mean trusted, only what it names is loaded.",
    )
    reflection: Flag | None = Field(
        default=None,
        description="Whether the API describes itself to clients; unset means yes in `dev` and no in `serve`.",
    )
    api: ApiSettings = Field(
        default_factory=ApiSettings,
        description="The API over TCP, for callers on other machines; off until it has an address.",
    )
    log: LogSettings = Field(
        default_factory=LogSettings,
        description="What the host says on stderr.",
    )
    audit: AuditSettings = Field(
        default_factory=AuditSettings,
        description="The audit log: where it is written, and what happens when it cannot be.",
    )
    observe: ObserveSettings = Field(
        default_factory=ObserveSettings,
        description="Probes and metrics over HTTP, for this machine.",
    )
    relay: RelaySettings = Field(
        default_factory=RelaySettings,
        description="The relay of workspaces; off until it has an address.",
    )
    workspaces: WorkspaceSettings = Field(
        default_factory=WorkspaceSettings,
        description="Mounted workspaces: whose, with which keys, and how large.",
    )
    runners: RunnerSettings = Field(
        default_factory=RunnerSettings,
        description="Who starts the processes that execute guests.",
    )
    disk: DiskSettings = Field(
        default_factory=DiskSettings,
        description="How much room is kept free, below which the host accepts nothing new.",
    )
    limits: LimitSettings = Field(
        default_factory=LimitSettings,
        description="Limits, each with its unit.",
    )
    owners: OwnerSettings = Field(
        default_factory=OwnerSettings,
        description="What one owner may have of a host that several share.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only: the environment and files are read in ``layers``, which remembers where a value came from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @property
    def database(self) -> str | Path:
        """``database_url``, or the SQLite file in the state directory, as a path: any directory has a name that is one,
        and not each of them survives in a URL.
        """
        return self.database_url or self.state_dir / "strongroom.db"

    @property
    def admin_socket_path(self) -> Path:
        """``admin_socket``, or the one that stands beside ``socket``."""
        return self.admin_socket or admin_socket_beside(self.socket)

    @property
    def observe_socket_path(self) -> Path:
        """``observe.socket``, or the one that stands beside ``socket``."""
        return self.observe.socket or observe_socket_beside(self.socket)

    def reflects(self, mode: str) -> bool:
        """Whether reflection is on in ``mode``, "dev" or "serve"."""
        return mode == "dev" if self.reflection is None else self.reflection
