"""Delivers what webhooks are to be told: takes what is due from the outbox, calls, and notes what came of it.

A delivery is tried at least once and may come twice: who dies between the call and its note has called. The
event's id tells a receiver that it knows an event already.
"""

import json
import logging
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from uuid import UUID

from fourpoint_core import tracing
from fourpoint_core.domain.webhooks import pause_after, signature
from fourpoint_core.errors import ForbiddenAddressError
from fourpoint_core.outbound_calls import CallFailedError, Deadline, call
from fourpoint_core.public_internet import Network
from fourpoint_core.store.queries import webhooks
from fourpoint_core.store.queries.webhooks import Outcome, Outgoing
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.metrics import webhook_metrics

logger = logging.getLogger(__name__)

AT_ONCE = 32
EACH = 4
# Those whose last call was slow share these, and leave the others to whoever answers.
SLOW_AT_ONCE = 16
_SLOW_MILLISECONDS = 1000
_MAX_SLOW = 1000
_LOOK_SECONDS = 1.0
_PATIENCE = timedelta(seconds=60)
CALL_SECONDS = 10.0
_KEPT_BYTES = 1024


class Postman:
    """Any number of processes may have one; each delivery is taken by one of them at a time.

    allowed: networks beside the public internet that may be called.
    """

    def __init__(self, sessions: Sessions, allowed: Sequence[Network]):
        self._sessions = sessions
        self._allowed = allowed
        self._slow: set[UUID] = set()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Take nothing more; what is in hand is called and noted."""
        self._stopped.set()

    def run(self) -> None:
        """Deliver until nothing is due and nothing in hand. Raises DatabaseUnavailableError."""
        in_hand: dict[Future[None], UUID] = {}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            while True:
                for sent in self._take(in_hand.values()):
                    in_hand[pool.submit(self._deliver, sent)] = sent.webhook_id
                if not in_hand:
                    return
                # While some hang, others become due.
                done, _ = wait(in_hand, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for call_made in done:
                    del in_hand[call_made]
                    call_made.result()

    def _take(self, busy: Collection[UUID]) -> list[Outgoing]:
        """What is to be called now, of webhooks that have nothing in hand. busy: of each call in hand whose."""
        free = AT_ONCE - len(busy)
        if not free or self._stopped.is_set():
            return []
        slow = frozenset(self._slow)
        room = SLOW_AT_ONCE - sum(webhook_id in slow for webhook_id in busy)
        with unit_of_work(self._sessions) as session:
            due = webhooks.take_due(session, _PATIENCE, EACH, free, besides={*busy, *slow})
            room = min(room, free - len(due))
            if slow and room > 0:
                due += webhooks.take_due(session, _PATIENCE, EACH, room, besides=set(busy), among=slow)
        return due

    def _deliver(self, sent: Outgoing) -> None:
        # A trace of its own, and none that the receiver hears of: it is a stranger.
        with tracing.work("call a webhook", "client", facts={"fourpoint.delivery_id": str(sent.id)}) as span:
            self._deliver_and_note(sent, span)

    def _deliver_and_note(self, sent: Outgoing, span: tracing.Span) -> None:
        outcome = self._call(sent)
        self._remember(sent.webhook_id, outcome.milliseconds > _SLOW_MILLISECONDS)
        if outcome.status_code is not None:
            span.say({"http.response.status_code": outcome.status_code})
        if outcome.error is not None:
            span.fail("not delivered")
        pause = None if outcome.error is None else pause_after(sent.attempt)
        with unit_of_work(self._sessions) as session:
            webhooks.record(session, sent, outcome, pause)
        webhook_metrics().calls.labels("failed" if outcome.error else "delivered").inc()
        logger.info(
            "webhook called",
            extra={
                "webhook": sent.webhook_id,
                "delivery": sent.id,
                "status": outcome.status_code,
                "reason": outcome.error,
            },
        )

    def _remember(self, webhook_id: UUID, is_slow: bool) -> None:
        if not is_slow:
            self._slow.discard(webhook_id)
            return
        if len(self._slow) >= _MAX_SLOW:
            # Webhooks that are gone, most of them; one that still is slow soon is here again.
            self._slow.clear()
        self._slow.add(webhook_id)

    def _call(self, sent: Outgoing) -> Outcome:
        began = time.monotonic()
        status, error, answer = None, None, None
        try:
            status, answer = _post(sent, self._allowed)
            # A redirect is no delivery: it would lead to an address that nobody has checked.
            if not 200 <= status < 300:
                error = f"The receiver answered {status}; a delivery counts when the answer is 200 to 299."
        except ForbiddenAddressError as refusal:
            error = refusal.detail
        except CallFailedError as failure:
            error = f"The receiver cannot be called: {failure}."
        return Outcome(status, error, answer, round((time.monotonic() - began) * 1000))


def _post(sent: Outgoing, allowed: Sequence[Network]) -> tuple[int, str]:
    """Status, and the beginning of the answer. Raises CallFailedError and ForbiddenAddressError."""
    body = json.dumps(sent.body, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Fourpoint-Webhook",
        "X-Fourpoint-Event": sent.event,
        "X-Fourpoint-Delivery": str(sent.id),
        "X-Signature-256": signature(sent.secret, body),
    }
    with call("POST", sent.url, Deadline(CALL_SECONDS), allowed, headers, body) as answer:
        # PostgreSQL's text holds no NUL.
        text = answer.beginning(_KEPT_BYTES).decode("utf-8", "replace").replace("\0", "\ufffd")
        return answer.status, text
