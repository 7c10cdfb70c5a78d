"""Webhooks and their deliveries: the outbox that the database's triggers fill."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, lateral, select, true, update
from sqlalchemy.orm import Session

from fourpoint_core.domain.webhooks import SECRET_PREFIX, DeliveryState, Event
from fourpoint_core.errors import NotFoundError
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import Dataset, Webhook, WebhookDelivery
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery that is ours to try once; attempt: how many tries that makes."""

    id: UUID
    claim: int
    attempt: int
    webhook_id: UUID
    event: str
    body: dict[str, Any]
    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try. error: None where it was taken; response: the beginning of what was answered."""

    status_code: int | None
    error: str | None
    response: str | None
    milliseconds: int


def add_webhook(
    session: Session,
    *,
    dataset_id: UUID | None,
    url: str,
    description: str,
    events: Sequence[str],
    author: UUID,
) -> Webhook:
    """Make a webhook with a new secret."""
    webhook = Webhook(
        id=new_id(),
        dataset_id=dataset_id,
        url=url,
        description=description,
        events=list(events),
        secret=new_secret(),
        created_by=author,
    )
    session.add(webhook)
    session.flush()
    session.refresh(webhook)
    return webhook


def new_secret() -> str:
    """A key for signatures, of 256 random bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def get_webhook(session: Session, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """Read a webhook. Raises NotFoundError."""
    webhook = session.get(Webhook, webhook_id, with_for_update=lock or None)
    if webhook is None:
        raise NotFoundError(f"There is no webhook {webhook_id}.")
    return webhook


def list_webhooks(session: Session, dataset_id: UUID | None, after: Keyset | None, limit: int) -> Page[Webhook]:
    """A page of the webhooks of a dataset, or of those of all datasets; oldest first."""
    mine = Webhook.dataset_id.is_(None) if dataset_id is None else Webhook.dataset_id == dataset_id
    return fetch_page(session, select(Webhook).where(mine), Webhook, after, limit)


def delete_webhook(session: Session, webhook_id: UUID) -> None:
    """Remove a webhook, its log, and what was still to be delivered. Raises NotFoundError."""
    if session.scalar(delete(Webhook).where(Webhook.id == webhook_id).returning(Webhook.id)) is None:
        raise NotFoundError(f"There is no webhook {webhook_id}.")


def add_ping(session: Session, webhook: Webhook) -> WebhookDelivery:
    """Have a webhook called for a test."""
    event_id = new_id()
    now = func.clock_timestamp()
    body = {
        "id": str(event_id),
        "event": Event.PING.value,
        "dataset_id": None if webhook.dataset_id is None else str(webhook.dataset_id),
        "created_at": session.scalar(select(now)).isoformat(),  # type: ignore[union-attr]
        "data": {"webhook_id": str(webhook.id)},
    }
    return _queue(session, webhook.id, event_id, Event.PING.value, body)


def send_again(session: Session, delivery: WebhookDelivery) -> WebhookDelivery:
    """Deliver the same event once more, as a delivery of its own."""
    return _queue(session, delivery.webhook_id, delivery.event_id, delivery.event, delivery.body)


def get_delivery(session: Session, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """One delivery of a webhook. Raises NotFoundError."""
    found = session.scalar(
        select(WebhookDelivery).where(
            WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook_id
        )
    )
    if found is None:
        raise NotFoundError(f"The webhook has no delivery {delivery_id}.")
    return found


def list_deliveries(
    session: Session, webhook_id: UUID, state: DeliveryState | None, after: Keyset | None, limit: int
) -> Page[WebhookDelivery]:
    """A page of a webhook's log, oldest first."""
    statement = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if state is not None:
        statement = statement.where(WebhookDelivery.state == state.value)
    return fetch_page(session, statement, WebhookDelivery, after, limit)


def take_due(
    session: Session,
    patience: timedelta,
    each: int,
    limit: int,
    *,
    besides: Collection[UUID] = (),
    among: Collection[UUID] | None = None,
) -> list[Outgoing]:
    """Deliveries that are due, at most `each` of a webhook, and of every webhook one before of any a second.

    besides, among: webhooks to leave out, and the only ones to look at. Whoever takes some and dies lets them
    be taken again after `patience`.
    """
    now = func.clock_timestamp()
    due = (
        WebhookDelivery.state == DeliveryState.PENDING.value,
        # Of the statement, so that the index ends where nothing more is due.
        WebhookDelivery.next_attempt_at <= func.statement_timestamp(),
    )
    turn = func.row_number().over(order_by=WebhookDelivery.next_attempt_at).label("turn")
    own = lateral(
        select(WebhookDelivery.id, WebhookDelivery.next_attempt_at, turn)
        .where(WebhookDelivery.webhook_id == Webhook.id, *due)
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(each)
    )
    called = select(own.c.id).select_from(Webhook).join(own, true()).where(Webhook.active)
    if besides:
        called = called.where(Webhook.id.not_in(besides))
    if among is not None:
        called = called.where(Webhook.id.in_(among))
    called = called.order_by(own.c.turn, own.c.next_attempt_at).limit(limit)
    # Somebody else may have taken them since they were looked at.
    taken = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.id.in_(called), *due)
        .with_for_update(skip_locked=True)
        .cte("taken")
    )
    rows = session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.id == taken.c.id, Webhook.id == WebhookDelivery.webhook_id)
        .values(
            next_attempt_at=now + patience,
            claim=WebhookDelivery.claim + 1,
            attempts=WebhookDelivery.attempts + 1,
        )
        .returning(
            WebhookDelivery.id,
            WebhookDelivery.claim,
            WebhookDelivery.attempts,
            WebhookDelivery.webhook_id,
            WebhookDelivery.event,
            WebhookDelivery.body,
            Webhook.url,
            Webhook.secret,
        ),
        execution_options={"synchronize_session": False},
    )
    return [Outgoing(*row) for row in rows]


def record(session: Session, sent: Outgoing, outcome: Outcome, pause: timedelta | None) -> bool:
    """Keep what came of a try; whether it still counted. pause: before the next one; None: there is none."""
    now = func.clock_timestamp()
    if outcome.error is None:
        state, due, ended = DeliveryState.DELIVERED, None, now
    elif pause is None:
        state, due, ended = DeliveryState.FAILED, None, now
    else:
        state, due, ended = DeliveryState.PENDING, now + pause, None
    kept = session.scalar(
        update(WebhookDelivery)
        .where(WebhookDelivery.id == sent.id, WebhookDelivery.claim == sent.claim)
        .values(
            state=state.value,
            next_attempt_at=due,
            ended_at=ended,
            status_code=outcome.status_code,
            error=outcome.error,
            response=outcome.response,
            milliseconds=outcome.milliseconds,
        )
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session=False)
    )
    return kept is not None


def forget_orphans(session: Session) -> None:
    """Remove the webhooks of datasets that are gone, once nothing is to be delivered any more."""
    pending = select(WebhookDelivery.id).where(
        WebhookDelivery.webhook_id == Webhook.id, WebhookDelivery.state == DeliveryState.PENDING.value
    )
    session.execute(
        delete(Webhook)
        .where(
            Webhook.dataset_id.is_not(None),
            ~select(Dataset.id).where(Dataset.id == Webhook.dataset_id).exists(),
            ~pending.exists(),
        )
        .execution_options(synchronize_session=False)
    )


def forget_ended(session: Session, after: timedelta, limit: int) -> None:
    """Remove deliveries that ended long ago from the log."""
    old = (
        select(WebhookDelivery.id).where(WebhookDelivery.ended_at < func.clock_timestamp() - after).limit(limit)
    )
    session.execute(
        delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)).execution_options(synchronize_session=False)
    )


def _queue(
    session: Session, webhook_id: UUID, event_id: UUID, event: str, body: dict[str, Any]
) -> WebhookDelivery:
    delivery = WebhookDelivery(
        id=new_id(),
        webhook_id=webhook_id,
        event_id=event_id,
        event=event,
        body=body,
        next_attempt_at=func.clock_timestamp(),
    )
    session.add(delivery)
    session.flush()
    session.refresh(delivery)
    return delivery
