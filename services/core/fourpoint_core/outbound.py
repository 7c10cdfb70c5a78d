"""Where this service may connect to when somebody else chose the address.

An address in a webhook leads wherever its owner's name server says, and that may be the metadata service of a
cloud or a database next door. So the name is resolved once, every number it stands for is checked, and the
connection goes to a checked number: a name server that answers differently a moment later changes nothing.
"""

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from fourpoint_core.errors import ForbiddenAddressError, SettingsError
from fourpoint_core.public_internet import Address, Network, meant_by, special_use_of

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked place to connect to. host: the name, for `Host` and the certificate; address: its number."""

    host: str
    address: str
    port: int


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks of a setting, `10.0.0.0/8, fd00::/8`. Raises SettingsError."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"{error}; give networks as 10.0.0.0/8, separated by commas") from error


def resolve(url: str, allowed: Sequence[Network], seconds: float) -> Endpoint:
    """Where a URL leads, if that is on the public internet or in an allowed network.

    seconds: how long the name server is waited for. Raises ForbiddenAddressError, also where the name is
    unknown.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    addresses = [ipaddress.ip_address(found) for found in _numbers(host, port, seconds)]
    for address in addresses:
        special_use = special_use_of(address)
        if special_use is not None and not _is_allowed(address, allowed):
            raise ForbiddenAddressError(
                f"{host} leads to {address}, which is not on the public internet ({special_use}); "
                "an operator can allow its network."
            )
    return Endpoint(host, str(addresses[0]), port)


def _numbers(host: str, port: int, seconds: float) -> Iterable[str]:
    try:
        found = _look_up(host, port).result(seconds)
    except TimeoutError as error:
        raise ForbiddenAddressError(f"The name server of {host!r} does not answer in time.") from error
    except (OSError, ValueError) as error:
        raise ForbiddenAddressError(f"Nobody knows the host {host!r}; check its spelling.") from error
    # A link-local IPv6 address may come with a zone, which is no part of the number.
    return [str(place[0]).partition("%")[0] for *_, place in found]


def _look_up(host: str, port: int) -> "Future[list[Any]]":
    # The system's resolver cannot be interrupted; whoever asked goes on, and its thread ends when it gives up.
    answer: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            answer.set_exception(error)

    Thread(target=ask, name="look up", daemon=True).start()
    return answer


def _is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    meant = meant_by(address)
    return any(meant in network for network in allowed)
