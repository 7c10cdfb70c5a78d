"""Webhooks: made, changed, tried out, and their log."""

from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from fourpoint_core.store.models import Dataset, Webhook, WebhookDelivery
from fourpoint_core.store.session import Sessions, unit_of_work

URL = "https://example.org/hook"


@pytest.fixture
def webhook(client: FlaskClient, dataset: Dataset) -> dict[str, Any]:
    answer = client.post(f"/v1/datasets/{dataset.id}/webhooks", json={"url": URL})
    assert answer.status_code == 201
    return answer.json


def secret_of(sessions: Sessions, webhook_id: str) -> str:
    with unit_of_work(sessions) as session:
        return session.get_one(Webhook, UUID(webhook_id)).secret


def test_a_secret_is_shown_once(client: FlaskClient, webhook: dict[str, Any], sessions: Sessions) -> None:
    assert webhook["secret"] == secret_of(sessions, webhook["id"])
    shown = client.get(f"/v1/webhooks/{webhook['id']}").json
    assert shown == {name: value for name, value in webhook.items() if name != "secret"}


def test_the_answer_with_the_secret_is_not_to_be_kept(client: FlaskClient, dataset: Dataset) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/webhooks", json={"url": URL})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Location"] == f"/v1/webhooks/{answer.json['id']}"


def test_a_new_secret_takes_the_place_of_the_old(
    client: FlaskClient, webhook: dict[str, Any], sessions: Sessions
) -> None:
    renewed = client.post(f"/v1/webhooks/{webhook['id']}/secret").json["secret"]
    assert renewed != webhook["secret"]
    assert renewed == secret_of(sessions, webhook["id"])


def test_webhooks_of_a_dataset_and_those_of_all_are_lists_of_their_own(
    client: FlaskClient, dataset: Dataset, webhook: dict[str, Any]
) -> None:
    overall = client.post("/v1/webhooks", json={"url": URL, "events": ["job.finished"]}).json
    assert overall["dataset_id"] is None
    of_all = client.get("/v1/webhooks").json["items"]
    of_one = client.get(f"/v1/datasets/{dataset.id}/webhooks").json["items"]
    assert ([item["id"] for item in of_all], [item["id"] for item in of_one]) == (
        [overall["id"]],
        [webhook["id"]],
    )


def test_what_is_not_given_stays(client: FlaskClient, webhook: dict[str, Any]) -> None:
    changed = client.patch(
        f"/v1/webhooks/{webhook['id']}", json={"events": ["samples.created"], "active": False}
    ).json
    assert (changed["events"], changed["active"]) == (["samples.created"], False)
    assert (changed["url"], changed["description"]) == (webhook["url"], webhook["description"])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "ftp://example.org"}, "/url"),
        ({"url": "https://me:secret@example.org"}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["ping"]}, "/events"),
        ({"events": ["lunch"]}, "/events/0"),
        ({"description": "d" * 257}, "/description"),
        ({"secret": "mine"}, "/secret"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    client: FlaskClient, dataset: Dataset, webhook: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    made = client.post(f"/v1/datasets/{dataset.id}/webhooks", json={"url": URL, **change})
    changed = client.patch(f"/v1/webhooks/{webhook['id']}", json=change)
    for answer in (made, changed):
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert len(client.get(f"/v1/datasets/{dataset.id}/webhooks").json["items"]) == 1


def test_a_ping_with_a_key_is_sent_once_whatever_kind_of_body_it_says_to_have(
    client: FlaskClient, webhook: dict[str, Any]
) -> None:
    path, key = f"/v1/webhooks/{webhook['id']}/ping", {"Idempotency-Key": "key"}
    form = {"data": b"--x--", "content_type": "multipart/form-data; boundary=x", "headers": key}
    first, again = (client.post(path, **form) for _ in range(2))
    assert again.json == first.json


def test_a_ping_is_queued_and_can_be_looked_at(client: FlaskClient, webhook: dict[str, Any]) -> None:
    answer = client.post(f"/v1/webhooks/{webhook['id']}/ping")
    assert (answer.status_code, answer.json["event"], answer.json["state"]) == (202, "ping", "pending")
    assert client.get(answer.headers["Location"]).json == answer.json
    log = client.get(f"/v1/webhooks/{webhook['id']}/deliveries").json
    assert log["items"] == [answer.json]


def test_an_event_is_sent_again_under_its_id(client: FlaskClient, webhook: dict[str, Any]) -> None:
    first = client.post(f"/v1/webhooks/{webhook['id']}/ping").json
    again = client.post(f"/v1/webhooks/{webhook['id']}/deliveries/{first['id']}/redeliver")
    assert again.status_code == 202
    assert (again.json["event_id"], again.json["body"]) == (first["event_id"], first["body"])
    assert again.json["id"] != first["id"]


def test_the_log_is_paged_and_filtered(client: FlaskClient, webhook: dict[str, Any]) -> None:
    address = f"/v1/webhooks/{webhook['id']}"
    ids = [client.post(f"{address}/ping").json["id"] for _ in range(3)]
    first = client.get(f"{address}/deliveries?limit=2").json
    rest = client.get(f"{address}/deliveries?limit=2&cursor={first['next_cursor']}").json
    assert [item["id"] for item in first["items"] + rest["items"]] == ids
    assert client.get(f"{address}/deliveries?state=failed").json["items"] == []


def test_the_delivery_of_another_webhook_is_not_found(
    client: FlaskClient, dataset: Dataset, webhook: dict[str, Any]
) -> None:
    other = client.post(f"/v1/datasets/{dataset.id}/webhooks", json={"url": URL}).json
    delivery = client.post(f"/v1/webhooks/{webhook['id']}/ping").json
    assert client.get(f"/v1/webhooks/{other['id']}/deliveries/{delivery['id']}").status_code == 404


def test_a_webhook_goes_with_its_log(client: FlaskClient, webhook: dict[str, Any], sessions: Sessions) -> None:
    client.post(f"/v1/webhooks/{webhook['id']}/ping")
    assert client.delete(f"/v1/webhooks/{webhook['id']}").status_code == 204
    assert client.get(f"/v1/webhooks/{webhook['id']}").status_code == 404
    with unit_of_work(sessions) as session:
        assert session.scalars(select(WebhookDelivery)).all() == []
