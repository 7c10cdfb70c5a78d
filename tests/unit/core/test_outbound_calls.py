"""Exchanges with peers that would go on for ever."""

import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from tests.dripping import dripping

from fourpoint_core.errors import ForbiddenAddressError
from fourpoint_core.outbound import parse_networks
from fourpoint_core.outbound_calls import CallFailedError, Deadline, call

LOOPBACK = parse_networks("127.0.0.0/8")
HEAD = b"HTTP/1.1 200 OK\r\n"
# The beginning of a record of 16 KiB, of a handshake.
TLS = b"\x16\x03\x03\x40\x00"


def ask(url: str, content: bytes = b"", max_bytes: int = 2**20) -> bytes:
    with call("POST", url, Deadline(1.0), LOOPBACK, {}, content) as answer:
        return answer.body(max_bytes)


@pytest.mark.parametrize(
    ("scheme", "beginning"),
    [
        ("https", TLS),
        ("http", b""),
        ("http", HEAD + b"X-Name: "),
        ("http", HEAD + b"\r\n"),
        ("http", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;"),
    ],
    ids=["handshake", "status", "headers", "body", "chunk"],
)
def test_a_peer_that_drips_is_given_up_wherever_it_does(scheme: str, beginning: bytes) -> None:
    with dripping(beginning) as port, pytest.raises(CallFailedError):
        ask(f"{scheme}://127.0.0.1:{port}/")


def test_a_peer_that_reads_a_little_now_and_then_is_given_up() -> None:
    def read(server: socket.socket) -> None:
        with server.accept()[0] as peer, suppress(OSError):
            while peer.recv(8192):
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        thread = threading.Thread(target=read, args=(server,))
        thread.start()
        with pytest.raises(CallFailedError):
            ask(f"http://127.0.0.1:{server.getsockname()[1]}/", b"x" * 2**24)
        thread.join()


def test_a_name_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        answers.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with ExitStack() as at_the_end, pytest.raises(ForbiddenAddressError, match="name server"):
        at_the_end.callback(answers.set)
        ask("http://slow.example/")


def test_what_is_larger_than_it_may_be_is_given_up() -> None:
    with dripping(HEAD + b"\r\n" + b"x" * 2000) as port, pytest.raises(CallFailedError, match="1,000 bytes"):
        ask(f"http://127.0.0.1:{port}/", max_bytes=1000)
