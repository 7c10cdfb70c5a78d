"""How long a client may take to send a request, and how many of the threads may wait for slow ones.

A body is waited for `body_seconds`, and for as long again as its bytes have earned, a second for each
`least_rate` of them; never for more than `body_seconds` at once. Only waiting counts: not what is read as soon
as it is asked for, however late that is.
"""

import select
import socket
import threading
import time
from dataclasses import dataclass, field

from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import SocketUnreader


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

    head_seconds: from its first byte to the end of its headers. least_rate: bytes a second of a body.
    room: how many threads may wait at once.
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


def is_readable(sock: socket.socket, seconds: float) -> bool:
    """Whether there is something to read, or the other end has closed."""
    # Not `select`, which knows no descriptor above 1023.
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(max(seconds, 0) * 1000))
