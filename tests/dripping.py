"""A peer that says a byte now and then, and never comes to an end."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def dripping(beginning: bytes) -> Iterator[int]:
    """Its port on 127.0.0.1: it says `beginning` at once, and then bytes until nobody listens any more."""
    over = threading.Event()

    def drip(peer: socket.socket) -> None:
        with suppress(OSError), peer:
            peer.recv(65536)
            peer.sendall(beginning)
            while not over.wait(0.1):
                peer.sendall(b"x")

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],)).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            # So that it need not be connected to, to be woken.
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
