"""Which network addresses a fetch may connect to: public ones, and what the settings allow. Pure.

The networks are those of IANA's special-purpose registries for IPv4 and IPv6, with the addresses at which clouds tell
their machines' secrets. An IPv4 address inside an IPv6 one is judged as itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pipeline.config import Web
from pipeline.errors import UsageError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CLOSED = tuple(
    (ip_network(network), kind)
    for kind, networks in {
        "metadata": "169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254",
        "unspecified": "0.0.0.0/8 ::/128",
        "loopback": "127.0.0.0/8 ::1/128",
        "private": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10",
        "link-local": "169.254.0.0/16 fe80::/10",
        "carrier-private": "100.64.0.0/10",
        "multicast": "224.0.0.0/4 ff00::/8",
        "documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "benchmarking": "198.18.0.0/15 2001:2::/48",
        "reserved": "192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24 240.0.0.0/4 "
        "::/8 100::/64 2001::/23 64:ff9b:1::/48 5f00::/16",
    }.items()
    for network in networks.split()
)
GLOBAL_IPV6 = ip_network("2000::/3")  # all of IPv6 that is routed at all
NEVER_BY_NAME = ("metadata", "link-local", "multicast", "unspecified", "reserved")  # only a network opens these
NAT64, SIX_TO_FOUR = ip_network("64:ff9b::/96"), ip_network("2002::/16")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Exceptions: host names (lower case) whose addresses may be private, and networks that may be connected to."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()


def parse_allowed(entries: Sequence[str]) -> Allowed:
    """`web.allow`: host names, addresses, networks in CIDR notation. Raises `UsageError` for anything else.

    >>> parse_allowed(["Wiki.Example", "10.0.0.0/8", "::1"]).networks
    (IPv4Network('10.0.0.0/8'), IPv6Network('::1/128'))
    """
    hosts, networks = set(), []
    for entry in (entry.strip() for entry in entries):
        try:
            networks.append(ip_network(entry, strict=False))
        except ValueError as error:
            if not entry or set(entry) & set("/:@*? ") or entry.replace(".", "").isdigit():
                raise UsageError(f"web.allow: '{entry}' is no host name, address or network (10.0.0.0/8)") from error
            hosts.add(entry.lower().rstrip("."))
    return Allowed(frozenset(hosts), tuple(networks))


def check_settings(web: Web) -> None:
    """Raise `UsageError` for an allow-list or a proxy that cannot be meant."""
    parse_allowed(web.allow)
    if web.proxy and not web.proxy.startswith(("http://", "https://")):
        raise UsageError("web.proxy: must begin with http:// or https://")


def why_refused(address: str, host: str, allowed: Allowed) -> str | None:
    """Why nothing may be fetched from `address`, which is what `host` resolved to; None if it may be.

    >>> why_refused("::ffff:127.0.0.1", "example.org", Allowed())
    'a loopback address'
    >>> why_refused("93.184.216.34", "example.org", Allowed()) is None
    True
    """
    try:
        ip = _inner(ip_address(address.partition("%")[0]))
    except ValueError:
        return "no address at all"
    if any(ip in network for network in allowed.networks):
        return None
    kind = next((kind for network, kind in CLOSED if ip in network), None)
    if kind is None and ip.version == 6 and ip not in GLOBAL_IPV6:
        kind = "reserved"
    if kind is None or (host.lower().rstrip(".") in allowed.hosts and kind not in NEVER_BY_NAME):
        return None
    return f"a {kind} address"


def _inner(ip: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, NAT64, 6to4), or the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in SIX_TO_FOUR:
        return IPv4Address(int(ip) >> 80 & 0xFFFFFFFF)
    return ip
