"""A connection whose request is collected while no thread waits for it."""

import re
import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http import errors as http
from gunicorn.workers.gthread import TConn

from fourpoint_api.web.slow_clients import Patience, PatientUnreader

# More than any browser sends as headers; a larger body is read by the thread that answers it.
HELD_BYTES = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_ASKS_FIRST = re.compile(rb"\r\nexpect:", re.IGNORECASE)


class Connection(TConn):  # type: ignore[misc]
    """See gunicorn. Collects the head of a request, and its body as far as it fits beside it.

    What is no HTTP is judged by gunicorn's parser, which gets all that was collected.
    """

    def __init__(self, *args: Any, patience: Patience, farewell: Callable[[socket.socket], None]):
        super().__init__(*args)
        # A thread is only given what has come.
        self.data_ready = True
        self._patience = patience
        self._farewell = farewell
        self.expect()

    def expect(self) -> None:
        """Begin to collect a request, with what came behind the last one."""
        self.received = bytearray()
        self.due = time.monotonic() + self._patience.head_seconds
        self._head_bytes = 0
        self._wanted_bytes = 0
        self._has_ended = False
        if self.parser is not None:
            self._add(self.parser.unreader.take_buffered())

    def collect(self) -> None:
        """Take what has come, without waiting."""
        try:
            piece = self.sock.recv(HELD_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        self._has_ended = not piece
        self._add(piece)

    @property
    def is_there(self) -> bool:
        """Whether a thread should look at it."""
        if self._has_ended or len(self.received) >= HELD_BYTES:
            return True
        return bool(self._head_bytes) and len(self.received) >= self._wanted_bytes

    @property
    def refusal(self) -> http.ParseException | None:
        """Why no thread needs to look at it."""
        if self._head_bytes or len(self.received) < HELD_BYTES:
            return None
        if b"\n" in self.received:
            return http.LimitRequestHeaders("limit request headers size")
        return http.LimitRequestLine(len(self.received), HELD_BYTES)

    def init(self) -> None:
        """See gunicorn."""
        super().init()
        if not isinstance(self.parser.unreader, PatientUnreader):
            self.parser.unreader = PatientUnreader(self.sock, self._patience)
        self.parser.unreader.begin(bytes(self.received))
        self.received.clear()

    def close(self, graceful: bool = False) -> None:
        """See gunicorn, which would have all others wait until the client has closed, too."""
        if graceful:
            self._farewell(self.sock)
        else:
            super().close()

    def _add(self, piece: bytes) -> None:
        searched = max(0, len(self.received) - len(_HEAD_END))
        self.received += piece
        if self._head_bytes:
            self.due += len(piece) / self._patience.least_rate
            return
        end = self.received.find(_HEAD_END, searched)
        if end >= 0:
            self._head_bytes = end + len(_HEAD_END)
            self._wanted_bytes = self._head_bytes + self._body_bytes()
            self.due = time.monotonic() + self._patience.body_seconds

    def _body_bytes(self) -> int:
        head = bytes(self.received[: self._head_bytes])
        length = _LENGTH.search(head)
        # It is told to go on by the thread that answers.
        return 0 if length is None or _ASKS_FIRST.search(head) else int(length[1])
