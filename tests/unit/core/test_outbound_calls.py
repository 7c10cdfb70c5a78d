"""Exchanges with peers that would go on for ever."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.dripping import dripping

from fourpoint_core import outbound_calls
from fourpoint_core.errors import ForbiddenAddressError
from fourpoint_core.outbound import parse_networks
from fourpoint_core.outbound_calls import CallFailedError, Deadline, call

LOOPBACK = parse_networks("127.0.0.0/8")
HEAD = b"HTTP/1.1 200 OK\r\n"
# The beginning of a record of 16 KiB, of a handshake.
TLS = b"\x16\x03\x03\x40\x00"


def ask(url: str, max_bytes: int = 2**20, seconds: float = 1.0) -> bytes:
    with call("POST", url, Deadline(seconds), LOOPBACK, {}, b"?") as answer:
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
    over = threading.Event()

    def read(server: socket.socket) -> None:
        with server.accept()[0] as peer:
            while not over.wait(0.05):
                peer.recv(8192)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        thread = threading.Thread(target=read, args=(server,))
        thread.start()
        stream = outbound_calls._Backend(Deadline(1.0)).connect_tcp(
            "127.0.0.1", server.getsockname()[1], socket_options=[(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)]
        )
        with pytest.raises((CallFailedError, httpcore.WriteTimeout)):
            stream.write(b"x" * 2**26)
        stream.close()
        over.set()
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


@pytest.fixture
def secure_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server that is trusted here, with a certificate for fourpoint.example; all names lead to it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("fourpoint.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "both.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)

    class Greeter(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.headers["Host"].encode())

        def log_message(self, format: str, *args: object) -> None: ...

    class Server(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Silence: one of them hangs up."""

    server = Server(("127.0.0.1", 0), Greeter)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.server_port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [place])
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    outbound_calls._trust.cache_clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()
    outbound_calls._trust.cache_clear()


def test_a_certificate_that_an_operator_trusts_counts_for_its_name_and_no_other(secure_port: int) -> None:
    answer = ask(f"https://fourpoint.example:{secure_port}/", seconds=60)
    assert answer == f"fourpoint.example:{secure_port}".encode()
    with pytest.raises(CallFailedError, match="CERTIFICATE_VERIFY_FAILED"):
        ask(f"https://another.example:{secure_port}/", seconds=60)


def test_what_is_larger_than_it_may_be_is_given_up() -> None:
    with dripping(HEAD + b"\r\n" + b"x" * 2000) as port, pytest.raises(CallFailedError, match="1,000 bytes"):
        ask(f"http://127.0.0.1:{port}/", max_bytes=1000, seconds=60)
