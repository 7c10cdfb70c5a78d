"""Deliveries, against a receiver that is a real HTTP server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from tests.dripping import dripping
from tests.factories import make_dataset, make_webhook
from tests.otlp_receiver import OtlpReceiver

from fourpoint_core import outbound_calls
from fourpoint_core.domain.webhooks import MAX_ATTEMPTS, signature
from fourpoint_core.outbound import parse_networks
from fourpoint_core.store.models import Webhook, WebhookDelivery
from fourpoint_core.store.queries import webhooks
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker import postman as postman_module
from fourpoint_worker.postman import Postman

LOOPBACK = parse_networks("127.0.0.0/8")


class Receiver(ThreadingHTTPServer):
    """Answers with `status` what it is told, and keeps it."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 204
        self.headers: dict[str, str] = {}
        self.answer = b""
        self.hold = threading.Event()
        self.hold.set()
        self.heard: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?of=tests"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers), body))
        self.server.hold.wait(120)
        with suppress(OSError):
            self.send_response(self.server.status)
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.hold.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def webhook(sessions: Sessions, receiver: Receiver) -> Webhook:
    return make_webhook(sessions, make_dataset(sessions), receiver.url)


def ping(sessions: Sessions, webhook: Webhook) -> UUID:
    with unit_of_work(sessions) as session:
        return webhooks.add_ping(session, webhook).id


def delivery(sessions: Sessions, delivery_id: UUID) -> WebhookDelivery:
    with unit_of_work(sessions) as session:
        return session.scalars(select(WebhookDelivery).where(WebhookDelivery.id == delivery_id)).one()


def make_due(sessions: Sessions, delivery_id: UUID, **values: object) -> None:
    with unit_of_work(sessions) as session:
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.id == delivery_id)
            .values(next_attempt_at=func.clock_timestamp() - timedelta(seconds=1), **values)
        )


def test_an_event_arrives_signed(sessions: Sessions, receiver: Receiver, webhook: Webhook) -> None:
    delivery_id = ping(sessions, webhook)
    Postman(sessions, LOOPBACK).run()
    ((path, headers, body),) = receiver.heard
    assert path == "/hook?of=tests"
    assert headers["X-Signature-256"] == signature(webhook.secret, body)
    assert headers["X-Fourpoint-Event"] == "ping"
    assert headers["Host"] == f"127.0.0.1:{receiver.server_port}"
    row = delivery(sessions, delivery_id)
    assert (row.state, row.attempts, row.status_code, row.next_attempt_at) == ("delivered", 1, 204, None)


def test_a_receiver_hears_nothing_of_the_trace(
    sessions: Sessions, receiver: Receiver, webhook: Webhook, traced_here: OtlpReceiver
) -> None:
    receiver.status = 500
    delivery_id = ping(sessions, webhook)
    Postman(sessions, LOOPBACK).run()
    assert "traceparent" not in {name.lower() for name in receiver.heard[0][1]}
    (told,) = [span for span in traced_here.wait_for(bool) if span.name == "call a webhook"]
    assert told.failed
    assert told.facts["fourpoint.delivery_id"] == str(delivery_id)
    assert b"of=tests" not in b"".join(traced_here.bodies)


def test_what_was_not_taken_is_tried_again_later(
    sessions: Sessions, receiver: Receiver, webhook: Webhook
) -> None:
    receiver.status, receiver.answer = 500, b"out of \0order" + b"!" * 5000
    delivery_id = ping(sessions, webhook)
    Postman(sessions, LOOPBACK).run()
    row = delivery(sessions, delivery_id)
    assert (row.state, row.status_code) == ("pending", 500)
    assert (
        row.response is not None and row.response.startswith("out of \ufffdorder") and len(row.response) == 1024
    )
    assert row.next_attempt_at is not None and row.next_attempt_at > row.created_at + timedelta(seconds=9)
    receiver.status = 200
    make_due(sessions, delivery_id)
    Postman(sessions, LOOPBACK).run()
    assert delivery(sessions, delivery_id).state == "delivered"
    assert receiver.heard[0][2] == receiver.heard[1][2]


def test_after_the_last_try_it_is_given_up(sessions: Sessions, receiver: Receiver, webhook: Webhook) -> None:
    receiver.status = 404
    delivery_id = ping(sessions, webhook)
    make_due(sessions, delivery_id, attempts=MAX_ATTEMPTS - 1)
    Postman(sessions, LOOPBACK).run()
    row = delivery(sessions, delivery_id)
    assert (row.state, row.attempts, row.next_attempt_at) == ("failed", MAX_ATTEMPTS, None)


def test_a_redirect_is_not_followed(sessions: Sessions, receiver: Receiver, webhook: Webhook) -> None:
    receiver.status, receiver.headers = 307, {"Location": receiver.url + "&again"}
    delivery_id = ping(sessions, webhook)
    Postman(sessions, LOOPBACK).run()
    assert len(receiver.heard) == 1
    assert delivery(sessions, delivery_id).error is not None


def test_a_private_address_is_not_called(sessions: Sessions, receiver: Receiver, webhook: Webhook) -> None:
    delivery_id = ping(sessions, webhook)
    Postman(sessions, ()).run()
    assert receiver.heard == []
    assert "public internet" in (delivery(sessions, delivery_id).error or "")


def test_nobody_at_the_address_is_an_error_to_be_tried_again(sessions: Sessions) -> None:
    webhook = make_webhook(sessions, make_dataset(sessions), "http://127.0.0.1:9/")
    delivery_id = ping(sessions, webhook)
    Postman(sessions, LOOPBACK).run()
    row = delivery(sessions, delivery_id)
    assert (row.state, row.status_code) == ("pending", None)
    assert "ConnectError" in (row.error or "")


def test_a_receiver_that_never_ends_its_answer_is_given_up(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postman_module, "CALL_SECONDS", 1.0)
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        webhook = make_webhook(sessions, make_dataset(sessions), f"http://127.0.0.1:{port}/")
        delivery_id = ping(sessions, webhook)
        Postman(sessions, LOOPBACK).run()
    row = delivery(sessions, delivery_id)
    assert (row.state, row.attempts, row.status_code) == ("pending", 1, None)
    assert "cannot be called" in (row.error or "")


def test_an_inactive_webhook_is_not_called_until_it_is_active_again(
    sessions: Sessions, receiver: Receiver, webhook: Webhook
) -> None:
    ping(sessions, webhook)
    _set_active(sessions, webhook, False)
    Postman(sessions, LOOPBACK).run()
    assert receiver.heard == []
    _set_active(sessions, webhook, True)
    Postman(sessions, LOOPBACK).run()
    assert len(receiver.heard) == 1


def _set_active(sessions: Sessions, webhook: Webhook, active: bool) -> None:
    with unit_of_work(sessions) as session:
        webhooks.get_webhook(session, webhook.id).active = active
        session.flush()


def test_what_somebody_took_and_died_with_is_taken_again(
    sessions: Sessions, receiver: Receiver, webhook: Webhook
) -> None:
    delivery_id = ping(sessions, webhook)
    with unit_of_work(sessions) as session:
        (taken,) = webhooks.take_due(session, timedelta(seconds=60), 4, 8)
    Postman(sessions, LOOPBACK).run()
    assert receiver.heard == []
    make_due(sessions, delivery_id)
    Postman(sessions, LOOPBACK).run()
    assert len(receiver.heard) == 1
    # Should it not be dead after all, what it says does not count any more.
    with unit_of_work(sessions) as session:
        late = webhooks.Outcome(None, "too late", None, 0)
        assert not webhooks.record(session, taken, late, None)
    assert delivery(sessions, delivery_id).state == "delivered"


def test_of_two_postmen_one_delivers(sessions: Sessions, receiver: Receiver, webhook: Webhook) -> None:
    for _ in range(12):
        ping(sessions, webhook)
    threads = [threading.Thread(target=Postman(sessions, LOOPBACK).run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.heard) == 12
    assert len({headers["X-Fourpoint-Delivery"] for _, headers, _ in receiver.heard}) == 12


@contextmanager
def at_work(sessions: Sessions, *hanging: Receiver) -> Iterator[None]:
    """A postman at work; at the end those that hang answer."""
    thread = threading.Thread(target=Postman(sessions, LOOPBACK).run)
    thread.start()
    try:
        yield
    finally:
        for one in hanging:
            one.hold.set()
        thread.join()


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_receivers_that_hang_hold_up_nobody_else(
    sessions: Sessions,
    receiver: Receiver,
    other: Receiver,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbound_calls, "SILENCE_SECONDS", 120.0)
    monkeypatch.setattr(postman_module, "CALL_SECONDS", 120.0)
    receiver.hold.clear()
    for hanging in (webhook, make_webhook(sessions, make_dataset(sessions), receiver.url)):
        for _ in range(40):
            ping(sessions, hanging)
    prompt = make_webhook(sessions, make_dataset(sessions), other.url)
    ping(sessions, prompt)
    with at_work(sessions, receiver):
        assert wait_for(lambda: len(other.heard) == 1)
        ping(sessions, prompt)
        assert wait_for(lambda: len(other.heard) == 2)
        assert len(receiver.heard) == 2 * postman_module.EACH


def test_a_postman_that_is_stopped_ends_what_is_in_hand_and_takes_nothing_more(
    sessions: Sessions, receiver: Receiver, webhook: Webhook
) -> None:
    receiver.hold.clear()
    pings = [ping(sessions, webhook) for _ in range(postman_module.EACH + 1)]
    postman = Postman(sessions, LOOPBACK)
    thread = threading.Thread(target=postman.run)
    thread.start()
    assert wait_for(lambda: len(receiver.heard) == postman_module.EACH)
    postman.stop()
    receiver.hold.set()
    thread.join()
    assert [delivery(sessions, each).attempts for each in pings] == [1] * postman_module.EACH + [0]


def test_of_many_that_hang_each_is_waited_for_once_before_they_leave_room(
    sessions: Sessions,
    receiver: Receiver,
    other: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once, slow_at_once = postman_module.AT_ONCE, postman_module.SLOW_AT_ONCE
    monkeypatch.setattr(outbound_calls, "SILENCE_SECONDS", 1.5)
    receiver.hold.clear()
    for _ in range(at_once // postman_module.EACH):
        hanging = make_webhook(sessions, make_dataset(sessions), receiver.url)
        for _ in range(2 * postman_module.EACH):
            ping(sessions, hanging)
    with at_work(sessions, receiver):
        assert wait_for(lambda: len(receiver.heard) == at_once)
        monkeypatch.setattr(outbound_calls, "SILENCE_SECONDS", 120.0)
        monkeypatch.setattr(postman_module, "CALL_SECONDS", 120.0)
        assert wait_for(lambda: len(receiver.heard) == at_once + slow_at_once)
        ping(sessions, make_webhook(sessions, make_dataset(sessions), other.url))
        assert wait_for(lambda: len(other.heard) == 1)
