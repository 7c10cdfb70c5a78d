"""One HTTP exchange with somebody who may be a stranger: where it may lead, and bounded as a whole.

A peer can drip a byte now and then for ever, in its name server, its handshake, its headers or its body, and no
timeout of a single read ever notices. So every wait of an exchange, whatever for, gets what is left of one
deadline, and no more than `SILENCE_SECONDS` of it.
"""

import math
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpcore
import httpx

from fourpoint_core.outbound import parse_networks, resolve
from fourpoint_core.public_internet import Network

# For addresses that an operator gave: they may well lead next door.
ANYWHERE = parse_networks("0.0.0.0/0, ::/0")
SILENCE_SECONDS = 5.0
# What a socket that can be written to takes at once, and one record of TLS; a longer piece may wait more often.
_PIECE_BYTES = 16 * 1024
_FAILURES = (httpcore.NetworkError, httpcore.ProtocolError)


class CallFailedError(Exception):
    """There is no answer, none in time, or a larger one than may be; the message says which."""


class Deadline:
    """When all of something has to be over."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._ends_at = time.monotonic() + seconds

    def left(self, at_most: float | None = None) -> float:
        """Seconds that may still be waited, above zero. Raises CallFailedError when there are none."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise CallFailedError(f"it takes longer than {self._seconds:g} seconds")
        return min(left, math.inf if at_most is None else at_most)


class Answer:
    """What came back; the body is read when it is asked for, as it was sent.

    Nothing is unpacked: that may be a thousand times as large.
    """

    def __init__(self, response: httpcore.Response):
        self._response = response
        self.status = response.status

    @property
    def location(self) -> str | None:
        """Where a redirect leads; None where this is none."""
        found = [value for name, value in self._response.headers if name.lower() == b"location"]
        return found[0].decode("utf-8", "replace") if found and 300 <= self.status < 400 else None

    def body(self, max_bytes: int) -> bytes:
        """All of it. Raises CallFailedError."""
        body = self.beginning(max_bytes + 1)
        if len(body) > max_bytes:
            raise CallFailedError(f"it has more than {max_bytes:,} bytes")
        return body

    def beginning(self, max_bytes: int) -> bytes:
        """No more than that of it. Raises CallFailedError."""
        body = bytearray()
        for piece in self._response.iter_stream():
            body += piece
            if len(body) >= max_bytes:
                break
        return bytes(body[:max_bytes])


@contextmanager
def call(
    method: str,
    url: str,
    deadline: Deadline,
    allowed: Sequence[Network],
    headers: Mapping[str, str],
    content: bytes = b"",
) -> Iterator[Answer]:
    """Ask, and read the answer inside the block. A redirect is an answer; nobody follows it here.

    allowed: networks beside the public internet. Raises CallFailedError and ForbiddenAddressError.
    """
    try:
        target = httpx.URL(url)
        endpoint = resolve(url, allowed, deadline.left(SILENCE_SECONDS))
    except (httpx.InvalidURL, ValueError) as error:
        raise CallFailedError(str(error)) from error
    # To the number that was checked, under the name that the certificate must be for. No proxy from the
    # environment: it would resolve the name again.
    place = httpcore.URL(
        scheme=target.raw_scheme, host=endpoint.address.encode(), port=target.port, target=target.raw_path
    )
    sent: list[tuple[str | bytes, str | bytes]] = [("Host", target.netloc.decode()), *headers.items()]
    if content:
        sent.append(("Content-Length", str(len(content))))
    limits = dict.fromkeys(("connect", "read", "write", "pool"), SILENCE_SECONDS)
    with (
        _failures_named(),
        httpcore.ConnectionPool(ssl_context=_trust(), network_backend=_Backend(deadline)) as pool,
        pool.stream(
            method,
            place,
            headers=sent,
            content=content or None,
            extensions={"sni_hostname": endpoint.host, "timeout": limits},
        ) as response,
    ):
        yield Answer(response)


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise CallFailedError(f"{type(error).__name__}: nothing came in time") from error
    except _FAILURES as error:
        raise CallFailedError(f"{type(error).__name__}: {error}") from error


@cache
def _trust() -> ssl.SSLContext:
    """The public authorities, and those of this machine, where an operator adds one's own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class _Backend(httpcore.NetworkBackend):
    """Connections whose every wait ends with the deadline."""

    def __init__(self, deadline: Deadline):
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        stream = self._sockets.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline):
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE_BYTES):
            self._stream.write(buffer[start : start + _PIECE_BYTES], self._deadline.left(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        # Python gives all of a handshake one timeout.
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()
