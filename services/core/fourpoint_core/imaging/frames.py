"""What a process and its decoder say to each other: a JSON object and bytes, each with its length before it.

Nothing is pickled: what a decoder that was taken over by a hostile image answers is data, and bounded.
"""

import json
import socket
import struct
import time
from typing import Any

_LENGTHS = struct.Struct(">II")
MAX_JSON_BYTES = 64 * 1024
Frame = tuple[dict[str, Any], bytes]


class BrokenFrameError(Exception):
    """The other side has gone, or what it says is no frame."""


def send(connection: socket.socket, said: dict[str, Any], body: bytes = b"") -> None:
    """Say something. Raises OSError, and TimeoutError where the socket has a time-out."""
    text = json.dumps(said).encode()
    connection.sendall(_LENGTHS.pack(len(text), len(body)) + text)
    connection.sendall(body)


def receive(connection: socket.socket, max_bytes: int, until: float | None = None) -> Frame:
    """What the other side says, of `max_bytes` at most.

    until: the end of patience, by time.monotonic(). Raises BrokenFrameError, TimeoutError or OSError.
    """
    text_bytes, body_bytes = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size, until))
    if text_bytes > MAX_JSON_BYTES or body_bytes > max_bytes:
        raise BrokenFrameError("it says more than it may")
    text = _exactly(connection, text_bytes, until)
    body = _exactly(connection, body_bytes, until)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFrameError("it says no JSON") from error
    if not isinstance(said, dict):
        raise BrokenFrameError("it says no JSON object")
    return said, body


def _exactly(connection: socket.socket, count: int, until: float | None) -> bytes:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        if until is not None:
            connection.settimeout(max(until - time.monotonic(), 0.001))
        got = connection.recv_into(view)
        if not got:
            raise BrokenFrameError("it has gone")
        view = view[got:]
    return bytes(data)
