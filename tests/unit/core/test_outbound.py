"""Where addresses that users gave may lead."""

import socket
from typing import Any

import pytest

from fourpoint_core.errors import ForbiddenAddressError, SettingsError
from fourpoint_core.outbound import parse_networks, resolve


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "240.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::c000:c0]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[2002:5db8:d70e::]",
        "[2001:0:a9fe:a9fe::f5f5:f5f5]",
        "[::10.0.0.1]",
        "[::ffff:192.0.0.192]",
        "[fec0::1]",
        "[100::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[5f00::1]",
        "192.0.0.192",
        "192.0.0.9",
        "192.88.99.1",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.9",
        "255.255.255.255",
    ],
)
def test_what_is_not_on_the_public_internet_is_out_of_reach(host: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        resolve(f"http://{host}/", (), 30)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("93.184.215.14", 80),
        ("192.0.1.1", 80),
        ("168.63.129.17", 80),
        ("[2606:4700:4700::1111]:8443", 8443),
        ("[2001:4860:4860::8888]", 80),
        ("[64:ff9b::5db8:d70e]", 80),
    ],
)
def test_what_is_public_can_be_reached(host: str, port: int) -> None:
    found = resolve(f"http://{host}/", (), 30)
    assert (found.address, found.port) == (host.partition("]")[0].strip("["), port)


def test_a_refusal_says_what_the_address_is_for() -> None:
    with pytest.raises(ForbiddenAddressError, match=r"192\.0\.0\.192, which .* metadata of a cloud"):
        resolve("http://192.0.0.192/opc/v1/", (), 30)


def test_an_operator_allows_networks_and_no_more() -> None:
    allowed = parse_networks("127.0.0.0/8, fd00::/8")
    assert resolve("http://127.0.0.1:9/", allowed, 30).port == 9
    assert resolve("http://[::ffff:127.0.0.1]/", allowed, 30).address in {"::ffff:127.0.0.1", "::ffff:7f00:1"}
    with pytest.raises(ForbiddenAddressError):
        resolve("http://10.0.0.1/", allowed, 30)


def test_one_forbidden_number_of_a_name_is_enough_to_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = ["93.184.215.14", "10.0.0.1"]

    def answer(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 80)) for number in numbers]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(ForbiddenAddressError, match=r"10\.0\.0\.1"):
        resolve("http://rebinding.example/", (), 30)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ForbiddenAddressError, match="spelling"):
        resolve("http://does-not-exist.invalid/", (), 30)


def test_a_network_that_is_none_stops_the_start() -> None:
    with pytest.raises(SettingsError, match=r"10\.0\.0\.0/8"):
        parse_networks("10.0.0.0/99")
