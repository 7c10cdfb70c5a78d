"""Events are written by the database, in the transaction that makes them happen."""

from typing import Any

import pytest
from sqlalchemy import select
from tests.factories import SQUARE, make_dataset, make_job, make_sample, make_webhook

from fourpoint_core.domain.annotations import NewAnnotation
from fourpoint_core.domain.webhooks import Event
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import PURGE_DATASET, PurgeDataset
from fourpoint_core.store.models import Dataset, Sample, Webhook, WebhookDelivery
from fourpoint_core.store.queries import annotations, datasets, jobs, labels, leases, samples, trash, webhooks
from fourpoint_core.store.session import Sessions, unit_of_work


@pytest.fixture
def dataset(sessions: Sessions) -> Dataset:
    return make_dataset(sessions)


@pytest.fixture
def webhook(sessions: Sessions, dataset: Dataset) -> Webhook:
    return make_webhook(sessions, dataset)


def told(sessions: Sessions, webhook: Webhook) -> list[tuple[str, Any]]:
    """The events, and what they say."""
    with unit_of_work(sessions) as session:
        rows = session.scalars(
            select(WebhookDelivery)
            .where(WebhookDelivery.webhook_id == webhook.id)
            .order_by(WebhookDelivery.created_at)
        ).all()
    for row in rows:
        assert row.body["id"] == str(row.event_id)
        assert row.body["event"] == row.event
        assert row.body["dataset_id"] == str(webhook.dataset_id)
    return [(row.event, row.body["data"]) for row in rows]


def save(sessions: Sessions, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        locked = samples.get_sample(session, sample.id, lock=True)
        label, _ = labels.label_named(session, sample.dataset_id, "cat")
        annotations.add_annotation(session, locked, NewAnnotation(new_id(), label.id, SQUARE), LOCAL_USER_ID)


def throw_away(sessions: Sessions, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        ids = select(Sample.id).where(Sample.id == sample.id)
        trash.throw_away(session, ids, new_id(), LOCAL_USER_ID, 10)


def test_images_that_come_and_go_are_told(sessions: Sessions, dataset: Dataset, webhook: Webhook) -> None:
    sample = make_sample(sessions, dataset)
    throw_away(sessions, sample)
    ids = {"sample_ids": [str(sample.id)]}
    assert told(sessions, webhook) == [("samples.created", ids), ("samples.deleted", ids)]


def test_a_save_is_told_with_its_revision(sessions: Sessions, dataset: Dataset, webhook: Webhook) -> None:
    sample = make_sample(sessions, dataset)
    save(sessions, sample)
    event, data = told(sessions, webhook)[-1]
    assert event == "annotations.saved"
    assert (data["sample_id"], data["revision"], data["author_id"]) == (str(sample.id), 1, str(LOCAL_USER_ID))


def test_the_end_of_long_work_is_told_once(sessions: Sessions, dataset: Dataset, webhook: Webhook) -> None:
    with unit_of_work(sessions) as session:
        message = jobs.add_job(
            session,
            PURGE_DATASET,
            PurgeDataset(dataset.id, delete_objects=False),
            job_id=new_id(),
            author=LOCAL_USER_ID,
            dataset_id=dataset.id,
            sample_id=None,
            request_id=None,
        )
        claimed = leases.claim(session, message.job_id, "worker", 30)
    assert claimed is not None
    with unit_of_work(sessions) as session:
        leases.record_success(session, claimed.lease, {})
    ((event, data),) = told(sessions, webhook)
    assert event == "job.finished"
    assert (data["job_id"], data["kind"], data["state"]) == (str(message.job_id), "purge_dataset", "succeeded")


def test_the_job_of_a_click_is_not_told(sessions: Sessions, dataset: Dataset) -> None:
    sample = make_sample(sessions, dataset)
    webhook = make_webhook(sessions, dataset)
    job = make_job(sessions, sample)
    with unit_of_work(sessions) as session:
        jobs.request_cancel(session, job.id)
    assert told(sessions, webhook) == []


def test_the_end_of_a_dataset_is_told_even_when_its_rows_are_gone(
    sessions: Sessions, dataset: Dataset, webhook: Webhook
) -> None:
    with unit_of_work(sessions) as session:
        datasets.mark_deleted(session, datasets.get_dataset(session, dataset.id))
    with unit_of_work(sessions) as session:
        datasets.purge_rest(session, dataset.id)
        webhooks.forget_orphans(session)
    assert told(sessions, webhook) == [("dataset.deleted", {"name": dataset.name})]


def test_the_webhook_of_a_dataset_goes_when_all_is_told(
    sessions: Sessions, dataset: Dataset, webhook: Webhook
) -> None:
    with unit_of_work(sessions) as session:
        datasets.purge_rest(session, dataset.id)
        webhooks.forget_orphans(session)
    with unit_of_work(sessions) as session:
        assert session.get(Webhook, webhook.id) is None


def test_nothing_is_told_of_what_was_rolled_back(
    sessions: Sessions, dataset: Dataset, webhook: Webhook
) -> None:
    class Change(Exception):  # noqa: N818 - of mind
        pass

    with pytest.raises(Change), unit_of_work(sessions) as session:
        datasets.mark_deleted(session, datasets.get_dataset(session, dataset.id))
        session.flush()
        raise Change
    assert told(sessions, webhook) == []


def test_whoever_did_not_ask_is_not_told(sessions: Sessions, dataset: Dataset) -> None:
    others = [
        make_webhook(sessions, make_dataset(sessions)),
        make_webhook(sessions, dataset, events=[Event.JOB_FINISHED]),
        make_webhook(sessions, dataset),
    ]
    with unit_of_work(sessions) as session:
        webhooks.get_webhook(session, others[2].id).active = False
        session.flush()
    make_sample(sessions, dataset)
    assert [told(sessions, webhook) for webhook in others] == [[], [], []]


def test_everybody_who_is_told_hears_the_same_event(sessions: Sessions, dataset: Dataset) -> None:
    hooks = [make_webhook(sessions, dataset), make_webhook(sessions, None)]
    make_sample(sessions, dataset)
    with unit_of_work(sessions) as session:
        rows = session.scalars(select(WebhookDelivery)).all()
    assert {row.webhook_id for row in rows} == {hook.id for hook in hooks}
    assert len({row.event_id for row in rows}) == 1


def test_many_images_at_once_are_told_in_messages_of_a_thousand(
    sessions: Sessions, dataset: Dataset, webhook: Webhook
) -> None:
    sample = make_sample(sessions, dataset)
    with unit_of_work(sessions) as session:
        session.connection().exec_driver_sql(
            """
            INSERT INTO samples (id, dataset_id, name, object_key, object_etag, digest, media_type, size_bytes,
                width, height, created_by)
            SELECT gen_random_uuid(), dataset_id, name || n, object_key || n, object_etag, digest, media_type,
                size_bytes, width, height, created_by
            FROM samples, generate_series(1, 2001) AS n WHERE id = %s
            """,
            (str(sample.id),),
        )
    sizes = [len(data["sample_ids"]) for _, data in told(sessions, webhook)]
    assert sizes == [1, 1000, 1000, 1]
