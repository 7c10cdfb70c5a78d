"""What can be done with webhooks; no HTTP."""

from collections.abc import Sequence
from uuid import UUID

from fourpoint_core.domain.webhooks import DeliveryState, Event, check_url
from fourpoint_core.store.models import Webhook, WebhookDelivery
from fourpoint_core.store.queries import datasets, webhooks
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Sessions, unit_of_work


def create(
    sessions: Sessions,
    dataset_id: UUID | None,
    author: UUID,
    *,
    url: str,
    description: str,
    events: Sequence[Event],
) -> Webhook:
    """Make a webhook of a dataset, or of all. Raises NotFoundError or InvalidInputError."""
    check_url(url)
    with unit_of_work(sessions) as session:
        if dataset_id is not None:
            datasets.get_dataset(session, dataset_id)
        return webhooks.add_webhook(
            session,
            dataset_id=dataset_id,
            url=url,
            description=description,
            events=_words(events),
            author=author,
        )


def listing(sessions: Sessions, dataset_id: UUID | None, after: Keyset | None, limit: int) -> Page[Webhook]:
    """A page of the webhooks of a dataset, or of those of all. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        if dataset_id is not None:
            datasets.get_dataset(session, dataset_id)
        return webhooks.list_webhooks(session, dataset_id, after, limit)


def read(sessions: Sessions, webhook_id: UUID) -> Webhook:
    """A webhook. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        return webhooks.get_webhook(session, webhook_id)


def change(
    sessions: Sessions,
    webhook_id: UUID,
    *,
    url: str | None,
    description: str | None,
    events: Sequence[Event] | None,
    active: bool | None,
) -> Webhook:
    """Change what is given; None leaves as it is. Raises NotFoundError or InvalidInputError."""
    if url is not None:
        check_url(url)
    with unit_of_work(sessions) as session:
        webhook = webhooks.get_webhook(session, webhook_id, lock=True)
        wanted = {
            "url": url,
            "description": description,
            "events": None if events is None else _words(events),
            "active": active,
        }
        for name, value in wanted.items():
            if value is not None:
                setattr(webhook, name, value)
        session.flush()
        return webhook


def renew_secret(sessions: Sessions, webhook_id: UUID) -> Webhook:
    """Sign with a new key from now on. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        webhook = webhooks.get_webhook(session, webhook_id, lock=True)
        webhook.secret = webhooks.new_secret()
        session.flush()
        return webhook


def delete(sessions: Sessions, webhook_id: UUID) -> None:
    """Remove a webhook and its log. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        webhooks.delete_webhook(session, webhook_id)


def ping(sessions: Sessions, webhook_id: UUID) -> WebhookDelivery:
    """Have a webhook called for a test. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        return webhooks.add_ping(session, webhooks.get_webhook(session, webhook_id))


def log(
    sessions: Sessions, webhook_id: UUID, state: DeliveryState | None, after: Keyset | None, limit: int
) -> Page[WebhookDelivery]:
    """A page of what was and is to be delivered. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        webhooks.get_webhook(session, webhook_id)
        return webhooks.list_deliveries(session, webhook_id, state, after, limit)


def read_delivery(sessions: Sessions, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """One delivery. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        return webhooks.get_delivery(session, webhook_id, delivery_id)


def send_again(sessions: Sessions, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Deliver the event of a delivery once more. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        return webhooks.send_again(session, webhooks.get_delivery(session, webhook_id, delivery_id))


def _words(events: Sequence[Event]) -> list[str]:
    return sorted({event.value for event in events})
