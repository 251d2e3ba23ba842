"""Where settings are looked for, and what is built in for each way to run.

``dev`` and clients belong to a user and keep everything below one directory; ``serve`` belongs to a service manager,
which names its directories in the environment.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from strongroom.settings.model import packaged_manifest
from strongroom.settings.sockets import SOCKET_NAME
from strongroom.settings.sources import VENDOR_VARIABLE

__all__ = ["Mode", "built_in", "project_file", "system_dir", "user_file", "vendor_dir"]

Mode = Literal["dev", "serve", "client"]
FILE_NAME = "strongroom.yaml"


def system_dir(environ: Mapping[str, str]) -> Path:
    """``/etc/strongroom``, or what a service manager says it is."""
    return Path(_first(environ.get("CONFIGURATION_DIRECTORY")) or "/etc/strongroom")


def vendor_dir(environ: Mapping[str, str]) -> Path:
    """``/usr/lib/strongroom``, where `strongroom service install` puts the defaults of the service."""
    return Path(environ.get(VENDOR_VARIABLE) or "/usr/lib/strongroom")


def user_file(environ: Mapping[str, str]) -> Path | None:
    """The user's file, or None when there is no home to look in."""
    base = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    return Path(base) / "strongroom" / FILE_NAME if Path(base).is_absolute() else None


def project_file(cwd: Path) -> Path:
    """The file of the project in whose directory a person works."""
    return cwd / FILE_NAME


def built_in(mode: Mode, state_dir: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:  # Any: setting values
    """Values that depend on the way to run. ``state_dir`` is the one that another layer chose, if one did."""
    return _of_service(state_dir, environ) if mode == "serve" else _of_user(mode, state_dir, environ)


def _of_user(mode: Mode, chosen: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:  # Any: as above
    base = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME') or '/tmp'}/.local/state"  # noqa: S108 - a user without a home has nowhere else
    state = chosen or Path(base) / "strongroom"
    socket = state / SOCKET_NAME
    service_socket = Path("/run/strongroom") / SOCKET_NAME
    # A client that was told nothing talks to the host that is there: its user's own, else the machine's.
    if mode == "client" and chosen is None and not socket.exists() and _exists(service_socket):
        socket = service_socket
    return {
        "state_dir": state,
        "cache_dir": state / "cache",
        "runtime_dir": state / "run",
        "keys_dir": state / "keys",
        "socket": socket,
        "keyring_file": state / "keyring",
        "plugins_file": packaged_manifest(),
    }


def _of_service(chosen: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:  # Any: as above
    etc = system_dir(environ)
    runtime = Path(_first(environ.get("RUNTIME_DIRECTORY")) or "/run/strongroom")
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    manifests = (etc / "plugins.yaml", vendor_dir(environ) / "plugins.yaml")
    return {
        "state_dir": chosen or Path(_first(environ.get("STATE_DIRECTORY")) or "/var/lib/strongroom"),
        "cache_dir": Path(_first(environ.get("CACHE_DIRECTORY")) or "/var/cache/strongroom"),
        "runtime_dir": runtime,
        "keys_dir": Path(credentials) if credentials else etc / "keys",
        "socket": runtime / SOCKET_NAME,
        "keyring_file": Path(credentials or etc) / "keyring",
        "plugins_file": next((each for each in manifests if _exists(each)), packaged_manifest()),
    }


def _first(directories: str | None) -> str:
    """A service manager joins several directories with colons; the first is the main one."""
    return (directories or "").split(":", 1)[0]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
