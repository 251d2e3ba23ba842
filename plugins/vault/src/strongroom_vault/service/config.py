"""The file of ``vault serve``: TOML, read strictly.

Rule 1: a key that is not known stops the start, with its name. So does one of another type.
Rule 2: paths are relative to the directory of the file.
Rule 3: an empty list of hosts is refused: it reads as "none", and would be taken for "all".
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from strongroom.plugin import Misconfigured

__all__ = ["ServiceConfig", "TlsFiles", "read_config"]

FILE_BYTES_MAX: Final = 256 * 1024
HOSTS_MAX: Final = 1_000
TLS_KEYS: Final = frozenset({"certificate_file", "key_file", "client_ca_file", "hosts"})
PATH_KEYS: Final = ("key_file", "state_file", "policy_file", "policy_public_key")
"""Keys of the vault itself that are paths; the rest goes to it as it stands."""
NEEDED: Final = frozenset({"listen", "tls", "key_file"})
KNOWN: Final = frozenset(
    {"listen", "tls", *PATH_KEYS, "enclave_config_files", "owners", "attempts_max", "workflow_reads"}
)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_HEX_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The certificate of the service with its key, the CA of the hosts, and which of them may call.

    ``hosts`` are SHA-256 fingerprints of certificates in lower-case hex; None means every host of that CA.
    """

    certificate_file: Path
    key_file: Path
    client_ca_file: Path
    hosts: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """What stands in the file. ``vault`` are the keys of the vault itself, with absolute paths."""

    path: Path
    listen: str
    tls: TlsFiles
    vault: Mapping[str, Any] = field(repr=False)  # Any: the vault checks its own keys


def read_config(path: Path) -> ServiceConfig:
    """The file at ``path``. Raises ``Misconfigured``, whose ``where`` is ``file:dotted.key``."""
    top = _document(path)
    _check_keys(path, "", top, known=KNOWN, needed=NEEDED)
    here = path.absolute().parent
    tls = _table(path, "tls", top["tls"])
    _check_keys(path, "tls.", tls, known=TLS_KEYS, needed=TLS_KEYS - {"hosts"})
    files = {name: here / _text(path, f"tls.{name}", tls[name]) for name in sorted(TLS_KEYS - {"hosts"})}
    vault = {name: value for name, value in top.items() if name not in {"listen", "tls"}}
    for name in PATH_KEYS:
        if name in vault:
            vault[name] = str(here / _text(path, name, vault[name]))
    if "enclave_config_files" in vault:
        listed = _texts(path, "enclave_config_files", vault["enclave_config_files"])
        vault["enclave_config_files"] = [str(here / each) for each in listed]
    if "owners" in vault:
        owners = _table(path, "owners", vault["owners"])
        vault["owners"] = {owner: _owner_key(path, f"owners.{owner}", key, here) for owner, key in owners.items()}
    return ServiceConfig(
        path=path,
        listen=_address(path, top["listen"]),
        tls=TlsFiles(**files, hosts=_hosts(path, tls["hosts"]) if "hosts" in tls else None),
        vault=vault,
    )


def _document(path: Path) -> dict[str, Any]:  # Any: what TOML can hold
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _refused(path, "", error.strerror or "it cannot be read", "give --config a file that exists") from None
    if len(raw) > FILE_BYTES_MAX:
        raise _refused(path, "", f"it has more than {FILE_BYTES_MAX} bytes", "keep the configuration short")
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise _refused(path, "", f"it is not TOML: {error}", "correct it there") from None


def _check_keys(
    path: Path, prefix: str, found: Mapping[str, Any], *, known: frozenset[str], needed: frozenset[str]
) -> None:
    for name in found:
        if name not in known:
            raise _refused(path, f"{prefix}{name}", "it is not known", f"known here: {', '.join(sorted(known))}")
    for name in sorted(needed - found.keys()):
        raise _refused(path, f"{prefix}{name}", "it is missing", "docs/vault.md has an example of the whole file")


def _table(path: Path, dotted: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refused(path, dotted, "it is not a table", f"write [{dotted}] and its keys below")
    return value


def _text(path: Path, dotted: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _refused(path, dotted, "it is not a text", "write it in quotes")
    return value


def _texts(path: Path, dotted: str, value: object) -> list[str]:
    if not isinstance(value, list):
        raise _refused(path, dotted, "it is not a list", "write it in brackets")
    return [_text(path, dotted, each) for each in value]


def _owner_key(path: Path, dotted: str, value: object, here: Path) -> str:
    text = _text(path, dotted, value)
    return text if _HEX_KEY.fullmatch(text) else str(here / text)


def _address(path: Path, value: object) -> str:
    text = _text(path, "listen", value)
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise _refused(path, "listen", "it is not ADDRESS:PORT", 'such as "127.0.0.1:8478" or "[::]:8478"')
    return text


def _hosts(path: Path, value: object) -> frozenset[str]:
    texts = _texts(path, "tls.hosts", value)
    if not 0 < len(texts) <= HOSTS_MAX:
        fix = "list fingerprints, or leave the key out: then every host of the CA may call"
        raise _refused(path, "tls.hosts", f"it has {len(texts)} entries, and 1 to {HOSTS_MAX} make sense", fix)
    hosts = frozenset(text.replace(":", "").lower() for text in texts)
    if not all(_FINGERPRINT.fullmatch(each) for each in hosts):
        fix = "openssl x509 -in host.pem -noout -fingerprint -sha256 shows that of a certificate"
        raise _refused(path, "tls.hosts", "one of them is no SHA-256 fingerprint in hex", fix)
    return hosts


def _refused(path: Path, dotted: str, why: str, fix: str) -> Misconfigured:
    where = f"{path}:{dotted}" if dotted else str(path)
    return Misconfigured("SR-VAULT-041", f"{where} cannot be used", why=why, fix=fix, where=where)
