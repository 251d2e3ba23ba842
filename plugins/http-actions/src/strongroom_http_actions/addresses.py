"""What an IP address is to a server that makes requests for others.

Several notations carry an IPv4 address inside an IPv6 one. They exist for routers, and a name that has such an address
wants to look public when it is not; all are blocked but NAT64, which hosts without IPv4 need: there the inner address
decides.
"""

import enum
import ipaddress
from collections.abc import Mapping
from typing import Final

__all__ = ["Address", "Network", "Reach", "parsed", "reach_of"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")
CARRIER_GRADE_NAT: Final = ipaddress.IPv4Network("100.64.0.0/10")
# Assigned later than some versions of Python know of. Others of that kind lie outside 2000::/3, which blocks them.
DOCUMENTATION: Final = ipaddress.IPv6Network("3fff::/20")
# Where clouds hand out credentials to whoever can make a request. The last one of IPv4 is a public address by number.
METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)


class Reach(enum.Enum):
    """Who may connect to an address."""

    PUBLIC = "everybody"
    PRIVATE = "whoever lists the host or the network"
    SPECIAL = "whoever lists the network"
    METADATA = "whoever lists exactly this address"
    NOWHERE = "nobody"


_OF_TEST: Final[Mapping[str, Reach]] = {
    "is_multicast": Reach.NOWHERE,
    "is_unspecified": Reach.NOWHERE,
    "is_link_local": Reach.SPECIAL,
    "is_loopback": Reach.PRIVATE,
    "is_reserved": Reach.SPECIAL,
    "is_private": Reach.PRIVATE,
}


def parsed(text: str) -> Address | None:
    """The address, without a zone; ``None`` for what is none."""
    try:
        return ipaddress.ip_address(text.split("%", 1)[0])
    except ValueError:
        return None


def reach_of(address: Address) -> Reach:
    """Who may connect to ``address``."""
    if address in METADATA:
        return Reach.METADATA
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return reach_of(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.ipv4_mapped or address.sixtofour or address.teredo:
            return Reach.SPECIAL
        if address in DOCUMENTATION:
            return Reach.PRIVATE
    elif address in THIS_NETWORK:
        return Reach.NOWHERE
    for test, reach in _OF_TEST.items():
        if getattr(address, test):
            return reach
    if isinstance(address, ipaddress.IPv4Address):
        if address in CARRIER_GRADE_NAT:
            return Reach.PRIVATE
        return Reach.PUBLIC if address.is_global else Reach.SPECIAL
    # What is outside 2000::/3 is not given to anybody: IPv4-compatible forms, local NAT64, what comes later.
    return Reach.PUBLIC if address.is_global and address in GLOBAL_UNICAST else Reach.SPECIAL
