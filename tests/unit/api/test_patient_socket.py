"""How long a client is waited for that takes an answer slowly, by a clock of the test's own."""

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from fourpoint_api.web import slow_clients
from fourpoint_api.web.slow_clients import Patience, PatientSocket

SECONDS, RATE = 30.0, 100_000
# Ten times what is waited for whoever takes none of it.
ANSWER = bytes(10 * int(SECONDS) * RATE)


class SlowClient:
    """Takes so many bytes in each second of its clock, which goes on while the other end waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rate = 0
        self.now = 0.0
        self.taken = 0
        accepted, self._other = socket.socketpair()
        self.connection = PatientSocket(accepted, Patience(10, SECONDS, RATE, threading.Semaphore()))
        monkeypatch.setattr(slow_clients, "is_ready", self._wait)
        monkeypatch.setattr(slow_clients, "time", SimpleNamespace(monotonic=lambda: self.now))

    def _wait(self, _sock: socket.socket, _wanted: int, seconds: float) -> bool:
        self.now += seconds
        left = int(self.rate * seconds)
        self._other.setblocking(False)
        while left:
            try:
                found = len(self._other.recv(left))
            except BlockingIOError:
                break
            left -= found
            self.taken += found
        return True

    def close(self) -> None:
        self.connection.close()
        self._other.close()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowClient]:
    made = SlowClient(monkeypatch)
    yield made
    made.close()


def test_whoever_takes_an_answer_steadily_gets_all_of_it_however_long_that_is(client: SlowClient) -> None:
    client.rate = 2 * RATE
    client.connection.sendall(ANSWER)
    assert client.now > 4 * SECONDS


def test_whoever_takes_nothing_is_hung_up_on(client: SlowClient) -> None:
    with pytest.raises(BrokenPipeError):
        client.connection.sendall(ANSWER)
    assert client.now == pytest.approx(SECONDS)


def test_whoever_takes_a_little_now_and_then_is_hung_up_on(client: SlowClient) -> None:
    client.rate = RATE // 2
    with pytest.raises(BrokenPipeError):
        client.connection.sendall(ANSWER)
    assert 0 < client.taken < len(ANSWER) // 2


def test_patience_is_not_renewed_with_every_answer(client: SlowClient) -> None:
    client.rate = RATE // 2
    with pytest.raises(BrokenPipeError):
        for _ in range(1000):
            client.connection.sendall(bytes(10_000))


def test_a_connection_that_waits_for_nobody_is_not_waited_for(client: SlowClient) -> None:
    client.connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.connection.sendall(ANSWER)
    assert client.now == 0
