"""What an address of a client counts as: one host, one network. Pure.

Not for whether a proxy is believed (uvicorn does that, as `listen.proxies` says). A host of IPv6 owns a whole /64, so
that is one host here; an IPv4 address that an IPv6 socket shows as `::ffff:10.0.0.5` is the IPv4 address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

HOST_BITS = {4: 32, 6: 64}
NETWORK_BITS = {4: 24, 6: 64}
MAX_TEXT = 64  # of what a proxy gives and is no address


def plain(address: str) -> str:
    """An address as it is written in logs; what is none stays, cut."""
    found = _parsed(address)
    return address[:MAX_TEXT] if found is None else str(found)


def host_of(address: str) -> str:
    """What shares a quota of its own with nobody."""
    return _prefix(address, HOST_BITS)


def network_of(address: str) -> str:
    """The network that it is of: /24, of IPv6 /64."""
    return _prefix(address, NETWORK_BITS)


def is_among(address: str, networks: Iterable[str]) -> bool:
    """Whether it is one of these addresses, or of one of these networks."""
    found = _parsed(address)
    return found is not None and any(found in ipaddress.ip_network(each) for each in networks)


def _prefix(address: str, bits: dict[int, int]) -> str:
    found = _parsed(address)
    if found is None:
        return address[:MAX_TEXT]
    return str(ipaddress.ip_network((found, bits[found.version]), strict=False))


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
