"""What the commands about keys ask of the host, and of the settings when there is none."""

import os
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import Host, connect
from strongroom.cli.failure import Failure
from strongroom.cli.verbs import a_path
from strongroom.engine.key_source import KeySource
from strongroom.errors import Misconfigured
from strongroom.keyring.root import RootKeyring, parse_secrets
from strongroom.keyring.sources import SecretSource
from strongroom.pb.strongroom.v1 import keys_pb2, keys_pb2_grpc
from strongroom.settings.layers import load
from strongroom.settings.model import Settings

__all__ = [
    "KeyFile",
    "Version",
    "host_settings",
    "keys_stub",
    "local_root",
    "local_source",
    "reload_host",
    "status_of_host",
]

NO_HOST: Final = "SR-CLI-020"
KeyFile: TypeAlias = Annotated[
    Path | None, typer.Option("--key-file", help="The keyring file, mode 0600.", metavar="FILE", parser=a_path)
]
Version: TypeAlias = Annotated[int, typer.Argument(help="Key version, 1 to 255.", metavar="V", min=1, max=255)]


def keys_stub(host: Host) -> keys_pb2_grpc.KeysServiceStub:
    """The service on this connection."""
    return host.stub(keys_pb2_grpc.KeysServiceStub)


def host_settings(caller: Caller) -> Settings:
    """The settings of the host that ``caller`` means, as a client reads them."""
    flags = {} if caller.state_dir is None else {"state_dir": caller.state_dir.absolute()}
    return load("client", flags, Path.cwd(), os.environ).settings


def status_of_host(caller: Caller) -> keys_pb2.KeysServiceStatusResponse | None:
    """How the keys of the host stand, or nothing where no host runs."""
    try:
        with connect(caller) as host:
            return host.call(keys_stub(host).Status, keys_pb2.KeysServiceStatusRequest())
    except Failure as failure:
        if failure.error.code == NO_HOST:
            return None
        raise


def local_source(caller: Caller, key_file: Path | None) -> tuple[SecretSource, str] | None:
    """Where the secrets are as this command sees it, and their text. Raises ``Misconfigured``.

    With ``key_file`` it is that; otherwise what the settings name, or the first place that has any.
    """
    if key_file is not None:
        source = SecretSource("file", str(key_file))
        source.read(strict=False)
        return source, source.text()
    found = KeySource(host_settings(caller)).find(dict(os.environ), strict=False)
    return None if found is None else (found[0], found[2])


def local_root(caller: Caller, key_file: Path | None) -> RootKeyring:
    """The keyring as this command finds it: ``key_file``, or what the settings and the environment name.

    Raises ``Misconfigured`` where there is none.
    """
    found = local_source(caller, key_file)
    if found is None:
        raise Misconfigured(
            "SR-BACKUP-023",
            "there is no keyring to open it with",
            why="neither the settings nor the environment name one that is there",
            fix="name it with --key-file, or bring it back: strongroom keys init --from-recovery",
            where="keyring_file",
        )
    return parse_secrets(found[1], where=found[0].where)


def reload_host(caller: Caller) -> keys_pb2.KeysServiceReloadResponse | None:
    """Tell the host to read its keyring again; nothing where none runs."""
    try:
        with connect(caller) as host:
            return host.call(keys_stub(host).Reload, keys_pb2.KeysServiceReloadRequest())
    except Failure as failure:
        if failure.error.code == NO_HOST:
            return None
        raise
