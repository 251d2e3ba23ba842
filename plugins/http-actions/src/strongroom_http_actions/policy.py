"""Which targets the operator lets requests go to: https on port 443 at public addresses, and what config lists."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from strongroom.plugin import CapabilityError
from strongroom_http_actions.addresses import Network, Reach, parsed, reach_of
from strongroom_http_actions.limits import ADDRESSES_TRIED_MAX, LISTED_MAX
from strongroom_http_actions.refusals import not_allowed, unavailable
from strongroom_http_actions.target import Target, target_of

__all__ = ["Policy"]

Origin = tuple[str, str, int]
ALWAYS: Final = ("https", 443)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``listed`` origins may be at private addresses; ``networks`` may be reached whatever they are.

    With ``only``, requests go to these hosts and to what is listed, and nowhere else.
    """

    listed: frozenset[Origin] = frozenset()
    networks: tuple[Network, ...] = ()
    only: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allow_hosts: Sequence[str], allow_networks: Sequence[str], only_hosts: Sequence[str] = ()) -> Self:
        """From the texts of a config. Raises ``ValueError`` naming the entry."""
        lists = (("allow_hosts", allow_hosts), ("allow_networks", allow_networks), ("only_hosts", only_hosts))
        for name, entries in lists:
            if len(entries) > LISTED_MAX:
                raise ValueError(f"{name}: {len(entries)} entries, the limit is {LISTED_MAX}")
        return cls(
            listed=frozenset(_origin(entry) for entry in allow_hosts),
            networks=tuple(_network(entry) for entry in allow_networks),
            only=frozenset(_host(entry) for entry in only_hosts),
        )

    def check(self, target: Target) -> None:
        """Refuse an origin that is not allowed, before any name is looked up. Raises ``CapabilityError``."""
        if (target.scheme, target.port) != ALWAYS and target.origin not in self.listed:
            raise not_allowed("url: only https on port 443 is allowed, and what this host lists in allow_hosts")
        if self.only and target.host not in self.only and target.origin not in self.listed:
            raise not_allowed("url: requests of this host go to what it lists in only_hosts and allow_hosts")
        address = parsed(target.host)
        if address is not None:
            self.usable(target, [str(address)])

    def usable(self, target: Target, addresses: Sequence[str]) -> list[str]:
        """Those of ``addresses`` that are tried, in order. Raises ``CapabilityError`` if any of them is not allowed.

        One forbidden address condemns the name: whoever mixes them hopes that the wrong one is picked later.
        """
        if not addresses:
            raise unavailable("url: this host has no address")
        if not all(self._may_reach(text, listed=target.origin in self.listed) for text in addresses):
            raise not_allowed("url: this host has an address that requests may not go to")
        return list(addresses[:ADDRESSES_TRIED_MAX])

    def _may_reach(self, text: str, *, listed: bool) -> bool:
        address = parsed(text)
        if address is None:
            return False
        reach = reach_of(address)
        if reach is Reach.PUBLIC or (reach is Reach.PRIVATE and listed):
            return True
        if reach is Reach.NOWHERE:
            return False
        narrow = reach is Reach.METADATA
        return any(address in network and (not narrow or network.num_addresses == 1) for network in self.networks)


def _origin(entry: str) -> Origin:
    """``name``, ``name:port``, ``https://name:port`` or ``http://name:port``."""
    url = entry if "://" in entry else f"https://{entry}"
    try:
        target = target_of(url)
    except CapabilityError as error:
        raise ValueError(
            f"allow_hosts: {entry!r} is not host, host:port or scheme://host:port ({error.message})"
        ) from None
    if target.path != "/" or entry.endswith("/"):
        raise ValueError(f"allow_hosts: {entry!r} may name a host and a port, and no path")
    return target.origin


def _host(entry: str) -> str:
    """A name or an address, without a port: what is listed here is asked over https on port 443."""
    try:
        target = target_of(f"https://{entry}")
    except CapabilityError as error:
        raise ValueError(f"only_hosts: {entry!r} is not a host ({error.message})") from None
    if entry.lower() not in (target.host, f"[{target.host}]"):
        raise ValueError(f"only_hosts: {entry!r} may name a host, and no port or path")
    return target.host


def _network(entry: str) -> Network:
    try:
        return ipaddress.ip_network(entry)
    except ValueError as error:
        raise ValueError(f"allow_networks: {entry!r} is not a network such as 10.1.0.0/16 ({error})") from None
