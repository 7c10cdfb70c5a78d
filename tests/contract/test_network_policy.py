"""The network policy of Kubernetes and the service agree on what the public internet is."""

from collections.abc import Iterable
from functools import reduce
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from pathlib import Path
from typing import Any

import yaml

from fourpoint_core.public_internet import SPECIAL, Network

POLICY = Path(__file__).parents[2] / "deploy" / "k8s" / "base" / "network.yaml"
NAT64 = IPv6Network("64:ff9b::/96")


def without(networks: Iterable[Network], hole: Network) -> list[Network]:
    """What is left of networks of one kind when one is taken out of them."""
    left: list[Network] = []
    for network in networks:
        if hole.version != network.version or not hole.overlaps(network):
            left.append(network)
        elif network.prefixlen < hole.prefixlen:
            left += network.address_exclude(hole)  # type: ignore[arg-type]
    return left


def by_nat64(network: IPv4Network) -> IPv6Network:
    """How a cluster of IPv6 alone sees it."""
    return IPv6Network((int(NAT64.network_address) + int(network.network_address), 96 + network.prefixlen))


def open_by_policy() -> list[Network]:
    """Where pods may connect to on the internet."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(POLICY.read_text()))
    (policy,) = [one for one in documents if one["metadata"]["name"] == "to-the-internet"]
    blocks = [peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule["to"]]
    return [
        network
        for block in blocks
        for network in reduce(without, map(ip_network, block["except"]), [ip_network(block["cidr"])])
    ]


def test_pods_reach_what_the_service_calls_public_and_no_more() -> None:
    public: list[Network] = reduce(without, SPECIAL, [ip_network("0.0.0.0/0"), ip_network("::/0")])
    ipv4 = [network for network in public if isinstance(network, IPv4Network)]
    ipv6 = [network for network in public if isinstance(network, IPv6Network)]
    reachable = open_by_policy()
    assert set(collapse_addresses(one for one in reachable if isinstance(one, IPv4Network))) == set(
        collapse_addresses(ipv4)
    )
    assert set(collapse_addresses(one for one in reachable if isinstance(one, IPv6Network))) == set(
        collapse_addresses([*ipv6, *map(by_nat64, ipv4)])
    )


def test_an_address_on_the_wire_is_in_no_two_rows_of_the_table() -> None:
    rows = list(SPECIAL)
    assert not [
        (one, other)
        for number, one in enumerate(rows)
        for other in rows[:number]
        if one.version == other.version and one.overlaps(other)
    ]
