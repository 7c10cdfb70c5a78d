"""Whether a client is still there, by its socket."""

import fcntl
import socket

from flask import Flask

from fourpoint_api.web.hanging_up import client_has_hung_up


def test_a_client_is_known_by_a_descriptor_of_any_number() -> None:
    ours, theirs = socket.socketpair()
    # `select` takes none above 1023, and a process has many connections.
    ours = socket.socket(fileno=fcntl.fcntl(ours.detach(), fcntl.F_DUPFD, 1024))
    with ours, Flask(__name__).test_request_context(environ_overrides={"gunicorn.socket": ours}):
        assert not client_has_hung_up()
        theirs.close()
        assert client_has_hung_up()
