"""``oci://HOST/REPOSITORY[:TAG|@DIGEST]``: where a workflow lies in a registry."""

import ipaddress
import re
import socket
from dataclasses import dataclass, replace
from typing import Final

from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data

__all__ = ["SCHEME", "Reference", "is_loopback", "leads_here", "parse"]

SCHEME: Final = "oci://"
# What registries take; far more than a person writes.
CHARACTERS_MAX: Final = 400
# The grammar of the distribution specification 1.1. A host has a dot or a port: another word is a part of a path.
_HOST: Final = re.compile(r"(?P<name>[a-z0-9-]+(\.[a-z0-9-]+)*)(?P<port>:\d{1,5})?")
_REPOSITORY: Final = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
DEFAULT_TAG: Final = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One artifact of a registry. Either ``tag`` or ``digest`` is set."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """As it is written."""
        return f"{SCHEME}{self.location}"

    @property
    def location(self) -> str:
        """The same without the scheme, as libraries want it."""
        return f"{self.host}/{self.repository}{'@' + self.digest if self.digest else ':' + self.tag}"

    @property
    def name(self) -> str:
        """The last word of the repository."""
        return self.repository.rpartition("/")[2]

    @property
    def is_local(self) -> bool:
        """Whether the registry is on this machine, where plain HTTP is enough."""
        return is_loopback(self.host.partition(":")[0])

    def pinned(self, digest: str) -> "Reference":
        """The same artifact by the digest of its manifest, which never means another one."""
        return replace(self, tag="", digest=digest)


def is_loopback(host: str) -> bool:
    """Whether that name or address never leaves this machine."""
    return host == "localhost" or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def leads_here(host: str) -> bool:
    """Whether that name or address, in whatever form resolvers take, means this machine."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        # Also 127.1, and an address that is one number.
        address = ipaddress.ip_address(socket.inet_aton(name))
    except (OSError, UnicodeError):
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
    within = getattr(address, "ipv4_mapped", None) or address
    return bool(within.is_loopback or within.is_unspecified)


def parse(text: str) -> Reference:
    """What ``text`` names. Raises ``Failure``."""
    if not text.startswith(SCHEME) or len(text) > CHARACTERS_MAX:
        raise _wrong(
            f"it has more than {CHARACTERS_MAX} characters" if text.startswith(SCHEME) else "no oci:// before it"
        )
    host, _, rest = text.removeprefix(SCHEME).partition("/")
    rest, at, digest = rest.partition("@")
    repository, colon, tag = rest.partition(":")
    found = _HOST.fullmatch(host)
    if found is None or not (found["port"] or "." in host):
        raise _wrong("its registry is no host name with a dot or a port")
    if _REPOSITORY.fullmatch(repository) is None:
        raise _wrong("its repository is not written in small letters, digits, and . _ - between them")
    if at and (DIGEST.fullmatch(digest) is None or colon):
        raise _wrong("behind @ stands sha256: and 64 hex digits, and then no tag before it")
    if colon and _TAG.fullmatch(tag) is None:
        raise _wrong("its tag is no word of at most 128 characters")
    return Reference(host=host, repository=repository, tag="" if at else tag or DEFAULT_TAG, digest=digest)


def _wrong(why: str) -> Failure:
    return bad_data(
        "SR-OCI-002",
        "this names no artifact of a registry",
        why=why,
        fix="write oci://registry.example/team/workflow:1.2.0, or @sha256:… for one that never changes",
        exit_code=Exit.USAGE,
    )
