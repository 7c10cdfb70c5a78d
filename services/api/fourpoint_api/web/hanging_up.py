"""Whether the client of a request is still there."""

import socket

from flask import request

from fourpoint_api.web.problems import ClientGoneError
from fourpoint_api.web.slow_clients import is_readable


def client_has_hung_up() -> bool:
    """Whether the other end has closed the connection; False where the server does not show its socket.

    A proxy closes its connection to us when its client hangs up. Whatever else the client has sent is left
    where it is.
    """
    connection = request.environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        return is_readable(connection, 0) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


def require_client() -> None:
    """Raises ClientGoneError when nobody waits for the answer, which a key may then be given to again."""
    if client_has_hung_up():
        raise ClientGoneError("Nothing was done; send the request again.")
