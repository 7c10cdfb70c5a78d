"""How long a client may take to send a request and to take the answer, and how many threads wait for slow ones.

A body is waited for `body_seconds`, and for as long again as its bytes have earned, a second for each
`least_rate` of them; never for more than `body_seconds` at once. Only waiting counts: not what is read as soon
as it is asked for, however late that is. An answer has the same time, and earns by what the client has taken.
"""

import errno
import fcntl
import select
import socket
import struct
import termios
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import SocketUnreader

# What a client takes is counted as often: a slow one frees less in the kernel than makes room for more.
LOOK_AGAIN_SECONDS = 1.0


class TooSlow(ParseException):
    """The client sends slower than it may."""

    def __str__(self) -> str:
        return "it did not come in time"


class NoRoom(ParseException):
    """As many threads wait for slow clients as may."""

    def __str__(self) -> str:
        return "too many others send slowly"


@dataclass(frozen=True)
class Patience:
    """How long is waited for a client, by one process.

    head_seconds: from its first byte to the end of its headers. least_rate: bytes a second of a body, and of an
    answer. room: how many threads may wait for bodies at once.
    """

    head_seconds: float
    body_seconds: float
    least_rate: int
    room: threading.Semaphore = field(repr=False)


class PatientUnreader(SocketUnreader):
    """Reads a request off a socket. Raises TooSlow or NoRoom instead of waiting for ever, or for too many."""

    def __init__(self, sock: socket.socket, patience: Patience):
        super().__init__(sock)
        self._patience = patience
        self._left = patience.body_seconds

    def begin(self, received: bytes) -> None:
        """Another request of the same connection, of which this much is there."""
        self._left = self._patience.body_seconds
        self.unread(received)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """See gunicorn."""
        if not is_readable(self.sock, 0):
            self._wait()
        data: bytes = super().chunk(size_hint)
        self._left = min(self._left + len(data) / self._patience.least_rate, self._patience.body_seconds)
        return data

    def _wait(self) -> None:
        """Until there is something. Raises TimeoutError where whoever reads has less patience than we have."""
        if not self._patience.room.acquire(blocking=False):
            raise NoRoom
        begun = time.monotonic()
        asked = self.sock.gettimeout()
        try:
            if not is_readable(self.sock, self._left if asked is None else min(self._left, asked)):
                raise TooSlow if asked is None or self._left <= asked else TimeoutError
        finally:
            self._patience.room.release()
            self._left -= time.monotonic() - begun


class PatientSocket(socket.socket):
    """A connection on which answers are not waited for for ever: whoever takes too little is hung up on.

    What the kernel could take counts for nothing: that may be megabytes. What the client has acknowledged does.
    """

    def __init__(self, accepted: socket.socket, patience: Patience):
        """Takes the place of a connection that was accepted."""
        super().__init__(fileno=accepted.detach())
        self._patience = patience
        # Over all answers of a connection: else whoever asks for many small ones had all this for each.
        self._left = patience.body_seconds

    def sendall(self, data: Any, flags: int = 0) -> None:
        """See socket. Raises BrokenPipeError where the client takes too little."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest, flags) :]

    def send(self, data: Any, flags: int = 0) -> int:
        """See `sendall`."""
        while True:
            try:
                return super().send(data, flags | socket.MSG_DONTWAIT)
            except BlockingIOError:
                if self.gettimeout() == 0:
                    raise
                self._wait()

    def _wait(self) -> None:
        begun, waiting = time.monotonic(), self._untaken_bytes()
        is_ready(self, select.POLLOUT, LOOK_AGAIN_SECONDS)
        taken = waiting - self._untaken_bytes()
        left = self._left + taken / self._patience.least_rate - (time.monotonic() - begun)
        self._left = min(left, self._patience.body_seconds)
        if self._left <= 0:
            # Or what was not taken would stay in the kernel for minutes.
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise BrokenPipeError(errno.EPIPE, "the client takes too little of the answer")

    def _untaken_bytes(self) -> int:
        """What was sent and not acknowledged."""
        found: int = struct.unpack("i", fcntl.ioctl(self, termios.TIOCOUTQ, bytes(4)))[0]
        return found


def is_readable(sock: socket.socket, seconds: float) -> bool:
    """Whether there is something to read, or the other end has closed."""
    return is_ready(sock, select.POLLIN, seconds)


def is_ready(sock: socket.socket, wanted: int, seconds: float) -> bool:
    """Whether an event of `select.poll`, or the end of the connection, came within so many seconds."""
    # Not `select`, which knows no descriptor above 1023.
    poll = select.poll()
    poll.register(sock, wanted)
    return bool(poll.poll(max(seconds, 0) * 1000))
