"""Which addresses are on the public internet, by a table of our own.

What Python's `ipaddress` calls global changes with its version, and is true of addresses that clouds and old
protocols keep to themselves. The table has all of IANA's registries of special-purpose addresses (RFC 6890),
and what they call reachable as well: nobody has a server there. deploy/k8s/base/network.yaml says the same.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SPECIAL = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private use",
    "100.64.0.0/10": "shared by customers of a carrier; metadata of a cloud",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "the host of a virtual machine in Azure",
    "169.254.0.0/16": "link-local; metadata of clouds",
    "172.16.0.0/12": "private use",
    "192.0.0.0/24": "protocol assignments; metadata of a cloud",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "multicast tunnels, AMT",
    "192.88.99.0/24": "relays of 6to4",
    "192.168.0.0/16": "private use",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved; broadcast",
    # Of IPv6, IANA gives out 2000::/3 to be routed, and nothing besides.
    "::/3": "reserved: unspecified, loopback, IPv4-compatible, local NAT64, discard-only",
    "4000::/2": "not given out; segment routing",
    "8000::/1": "not given out; unique local, link-local, site-local, multicast",
    "2001::/23": "protocol assignments: Teredo, ORCHID, benchmarks, AMT, AS112",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
}
SPECIAL: dict[Network, str] = {ipaddress.ip_network(text): name for text, name in _SPECIAL.items()}
# IPv4-mapped, and NAT64: their last 32 bits are the address that is meant. 6to4 and Teredo are refused as such.
CARRIERS = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
_LOW_32_BITS = 0xFFFFFFFF


def meant_by(address: Address) -> Address:
    """The IPv4 address that an IPv6 address carries; else the address itself."""
    if any(address in carrier for carrier in CARRIERS):
        return ipaddress.IPv4Address(int(address) & _LOW_32_BITS)
    return address


def special_use_of(address: Address) -> str | None:
    """What an address is for that is not on the public internet; None: it is there."""
    meant = meant_by(address)
    return next((name for network, name in SPECIAL.items() if meant in network), None)
