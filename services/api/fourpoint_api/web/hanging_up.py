"""Whether the client of a request is still there."""

import select
import socket

from flask import request


def client_has_hung_up() -> bool:
    """Whether the other end has closed the connection; False where the server does not show its socket.

    A proxy closes its connection to us when its client hangs up. Whatever else the client has sent is left
    where it is.
    """
    connection = request.environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True
