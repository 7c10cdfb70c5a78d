"""Synchronisations over HTTP: begun, followed, reported; datasets with paths; events of the bucket."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, select, update
from tests.factories import image_bytes, make_dataset, make_sample
from tests.integration.applications import AppMaker
from tests.integration.worker.sync_scene import LIMITS

from fourpoint_api.clients import Clients
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, ForgottenObject, Job, Sample, SyncItem, SyncRun
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.sweep import Sweep
from fourpoint_worker.tasks.sync_dataset import SyncDatasetWork

TOKEN = "a token of the bucket"


@pytest.fixture
def work(sessions: Sessions, object_store: ObjectStore, redis: Redis) -> Callable[[str], None]:
    """A worker that runs one job."""
    keeper = LeaseKeeper(sessions, 30, stage_seconds=60)

    def run(job_id: str) -> None:
        made = SyncDatasetWork(sessions, object_store, LIMITS)
        Runner(sessions, redis, keeper, 30, "worker").run(made, UUID(job_id))

    return run


@pytest.fixture
def sweep(core_settings: CoreSettings, sessions: Sessions, redis: Redis, object_store: ObjectStore) -> Sweep:
    dispatcher = Dispatcher(celery_app(core_settings, "tests"), sessions)
    return Sweep(core_settings, sessions, redis, object_store, dispatcher)


def put(store: ObjectStore, key: str) -> None:
    store.put(key, image_bytes(), content_type="image/png")


def create(client: FlaskClient, **body: Any) -> Any:
    answer = client.post("/v1/datasets", json={"name": "Cats", **body})
    assert answer.status_code == 201, answer.json
    return answer.json


def start(client: FlaskClient, dataset_id: Any, **body: Any) -> str:
    answer = client.post(f"/v1/datasets/{dataset_id}/sync", json=body)
    assert answer.status_code == 202, answer.json
    return str(answer.json["id"])


def counts(client: FlaskClient, dataset_id: Any) -> dict[str, int]:
    found = client.get(f"/v1/datasets/{dataset_id}/sync").json["counts"]
    return {name: number for name, number in found.items() if number}


# Beginning and following


def test_a_dataset_that_is_made_on_a_path_takes_in_what_is_there(
    client: FlaskClient, object_store: ObjectStore, work: Callable[[str], None]
) -> None:
    put(object_store, "photos/a.png")
    dataset = create(client, input_path="photos")
    work(dataset["sync_job_id"])
    status = client.get(f"/v1/datasets/{dataset['id']}/sync").json
    assert (status["cause"], status["job"]["state"], status["phase"]) == ("creation", "succeeded", "done")
    assert counts(client, dataset["id"]) == {"added": 1, "listed": 1}
    assert client.get(f"/v1/datasets/{dataset['id']}").json["samples"]["total"] == 1


def test_a_dataset_with_a_folder_of_its_own_needs_no_synchronisation(client: FlaskClient) -> None:
    dataset = create(client)
    assert dataset["sync_job_id"] is None
    assert client.get(f"/v1/datasets/{dataset['id']}/sync").status_code == 404


def test_the_second_who_asks_is_told_which_job_is_at_it(client: FlaskClient, sessions: Sessions) -> None:
    dataset = make_dataset(sessions)
    job_id = start(client, dataset.id)
    answer = client.post(f"/v1/datasets/{dataset.id}/sync", json={})
    assert (answer.status_code, answer.json["code"], answer.json["job_id"]) == (409, "sync_running", job_id)


def test_a_request_that_is_sent_again_is_one_synchronisation(client: FlaskClient, sessions: Sessions) -> None:
    dataset = make_dataset(sessions)
    headers = {"Idempotency-Key": "once"}
    answers = [client.post(f"/v1/datasets/{dataset.id}/sync", json={}, headers=headers) for _ in range(2)]
    assert answers[0].json["id"] == answers[1].json["id"]


def test_a_synchronisation_can_be_cancelled(
    client: FlaskClient, sessions: Sessions, work: Callable[[str], None]
) -> None:
    dataset = make_dataset(sessions)
    job_id = start(client, dataset.id)
    client.post(f"/v1/jobs/{job_id}/cancel")
    work(job_id)
    assert client.get(f"/v1/datasets/{dataset.id}/sync").json["job"]["state"] == "cancelled"
    start(client, dataset.id)


def test_an_upload_is_no_news_to_the_next_synchronisation(
    client: FlaskClient, sessions: Sessions, work: Callable[[str], None]
) -> None:
    dataset = make_dataset(sessions)
    files = [(image_bytes("PNG"), "a.png"), (image_bytes("BMP"), "b.bmp")]
    from io import BytesIO

    data = {"files": [(BytesIO(content), name) for content, name in files]}
    assert client.post(f"/v1/datasets/{dataset.id}/samples", data=data).status_code == 201
    work(start(client, dataset.id))
    assert counts(client, dataset.id) == {"listed": 2, "unchanged": 2}


def test_the_report_is_read_in_pages(
    client: FlaskClient, sessions: Sessions, object_store: ObjectStore, work: Callable[[str], None]
) -> None:
    dataset = make_dataset(sessions)
    for name in ("a.png", "b.png", "c.png"):
        put(object_store, dataset.input_path + name)
    object_store.put(dataset.input_path + "bad.png", b"GIF89a", content_type="image/png")
    work(start(client, dataset.id))
    url = f"/v1/datasets/{dataset.id}/sync/report?limit=2&outcome=added"
    first = client.get(url).json
    second = client.get(f"{url}&cursor={first['next_cursor']}").json
    keys = [line["object_key"].rpartition("/")[2] for line in first["items"] + second["items"]]
    assert (keys, second["next_cursor"]) == (["a.png", "b.png", "c.png"], None)
    with unit_of_work(sessions) as session:
        ids = {str(found) for found in session.scalars(select(Sample.id))}
    assert {line["sample_id"] for line in first["items"]} <= ids
    (failed,) = client.get(f"/v1/datasets/{dataset.id}/sync/report?outcome=failed").json["items"]
    assert failed["detail"]["code"] == "image_format_unsupported"


def test_a_report_that_never_was_is_not_found(
    client: FlaskClient, sessions: Sessions, unknown_id: UUID
) -> None:
    dataset = make_dataset(sessions)
    assert client.get(f"/v1/datasets/{dataset.id}/sync/report").status_code == 404
    start(client, dataset.id)
    answer = client.get(f"/v1/datasets/{dataset.id}/sync/report?job_id={unknown_id}")
    assert answer.status_code == 404


def test_a_missing_image_says_so_and_can_be_read(client: FlaskClient, sessions: Sessions) -> None:
    dataset = make_dataset(sessions)
    sample = make_sample(sessions, dataset)
    with unit_of_work(sessions) as session:
        session.execute(update(Sample).values(missing_since=func.clock_timestamp()))
    assert client.get(f"/v1/samples/{sample.id}").json["status"] == "missing"
    assert client.get(f"/v1/datasets/{dataset.id}/samples").json["items"] == []
    (found,) = client.get(f"/v1/datasets/{dataset.id}/samples?status=missing").json["items"]
    assert found["id"] == str(sample.id)


def test_a_change_is_confirmed_by_whoever_has_looked(client: FlaskClient, sessions: Sessions) -> None:
    dataset = make_dataset(sessions)
    sample = make_sample(sessions, dataset)
    with unit_of_work(sessions) as session:
        session.execute(update(Sample).values(changed_at=func.clock_timestamp()))
    url = f"/v1/datasets/{dataset.id}/samples?changed=true"
    assert len(client.get(url).json["items"]) == 1
    assert client.post(f"/v1/samples/{sample.id}/change/confirm").json["changed_at"] is None
    assert client.get(url).json["items"] == []


# What was deleted


def test_what_was_left_on_purpose_may_come_back(
    client: FlaskClient, sessions: Sessions, object_store: ObjectStore, work: Callable[[str], None]
) -> None:
    dataset = make_dataset(sessions)
    keys = [f"{dataset.input_path}{name}.png" for name in "ab"]
    for key in keys:
        put(object_store, key)
        with unit_of_work(sessions) as session:
            session.add(ForgottenObject(dataset_id=dataset.id, object_key=key))
    url = f"/v1/datasets/{dataset.id}/forgotten-objects"
    assert [row["object_key"] for row in client.get(url).json["items"]] == keys
    assert client.post(f"{url}/restore", json={"object_keys": keys[:1]}).json == {"objects": 1}
    work(start(client, dataset.id))
    assert counts(client, dataset.id) == {"listed": 2, "added": 1, "left_alone": 1}
    assert client.post(f"{url}/restore", json={"all": True}).json == {"objects": 1}


@pytest.mark.parametrize("body", [{}, {"all": True, "object_keys": ["a"]}])
def test_nothing_named_is_never_everything(client: FlaskClient, sessions: Sessions, body: Any) -> None:
    dataset = make_dataset(sessions)
    answer = client.post(f"/v1/datasets/{dataset.id}/forgotten-objects/restore", json=body)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "selection_empty")


# Paths


@pytest.mark.parametrize(
    ("input_path", "output_path", "pointer", "code"),
    [
        ("in/", "in/", "/output_path", "paths_overlap"),
        ("in/", "in/out/", "/output_path", "paths_overlap"),
        ("in/deep/", "in/", "/output_path", "paths_overlap"),
        ("in/", "derived/x/", "/output_path", "key_reserved"),
        ("/", None, "/input_path", "key_invalid"),
        ("obs://elsewhere/in/", None, "/input_path", "bucket_unknown"),
        ("a//b/", None, "/input_path", "key_invalid"),
        (None, "a//b/", "/output_path", "key_invalid"),
    ],
)
def test_a_path_against_the_rules_is_refused(
    client: FlaskClient, input_path: str, output_path: str, pointer: str, code: str
) -> None:
    body = {"name": "Cats", "input_path": input_path, "output_path": output_path}
    answer = client.post("/v1/datasets", json=body)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [(pointer, code)]
    assert client.get("/v1/datasets").json["items"] == []


def test_paths_beside_each_other_are_taken(client: FlaskClient) -> None:
    dataset = create(client, input_path="in", output_path="in-results")
    assert (dataset["input_path"], dataset["output_path"]) == ("in/", "in-results/")


def test_the_output_path_can_be_changed_by_the_same_rules(client: FlaskClient, sessions: Sessions) -> None:
    dataset = make_dataset(sessions, input_path="in/")
    url = f"/v1/datasets/{dataset.id}"
    assert client.patch(url, json={"output_path": "out"}).json["output_path"] == "out/"
    assert client.patch(url, json={"output_path": "in/x"}).status_code == 422
    assert client.patch(url, json={"output_path": None}).json["output_path"] is None


def test_what_may_be_done_below_a_path_is_found_out(client: FlaskClient, object_store: ObjectStore) -> None:
    answer = client.post("/v1/storage/test", json={"path": "photos"}).json
    assert (answer["path"], answer["as_input"], answer["as_output"]) == ("photos/", True, True)
    assert [entry["granted"] for entry in answer["permissions"]] == [True] * 5
    assert list(object_store.list("photos/")) == []


# Automatically


def make_due(sessions: Sessions, minutes: float = -1) -> None:
    with unit_of_work(sessions) as session:
        due = func.clock_timestamp() + timedelta(minutes=minutes)
        session.execute(update(Dataset).where(Dataset.sync_due_at.is_not(None)).values(sync_due_at=due))


def causes(sessions: Sessions) -> list[str]:
    with unit_of_work(sessions) as session:
        return list(session.scalars(select(SyncRun.cause).order_by(SyncRun.created_at)))


def end_jobs(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        session.execute(update(Job).values(state="succeeded"))


def test_a_dataset_with_a_schedule_is_synchronised_when_its_time_has_come(
    client: FlaskClient, sessions: Sessions, sweep: Sweep
) -> None:
    create(client, auto_sync_minutes=5)
    sweep.start_syncs()
    assert causes(sessions) == []
    make_due(sessions)
    sweep.start_syncs()
    sweep.start_syncs()
    assert causes(sessions) == ["schedule"]
    end_jobs(sessions)
    sweep.start_syncs()
    assert causes(sessions) == ["schedule"]
    make_due(sessions)
    sweep.start_syncs()
    assert causes(sessions) == ["schedule"] * 2


def test_a_schedule_can_be_taken_back(client: FlaskClient, sessions: Sessions, sweep: Sweep) -> None:
    dataset = create(client, auto_sync_minutes=5)
    make_due(sessions)
    client.patch(f"/v1/datasets/{dataset['id']}", json={"auto_sync_minutes": None})
    sweep.start_syncs()
    assert causes(sessions) == []


def test_what_is_being_synchronised_waits_for_its_turn(
    client: FlaskClient, sessions: Sessions, sweep: Sweep
) -> None:
    dataset = create(client, auto_sync_minutes=5)
    start(client, dataset["id"])
    make_due(sessions)
    sweep.start_syncs()
    assert causes(sessions) == ["request"]


def test_old_reports_are_forgotten(client: FlaskClient, sessions: Sessions, sweep: Sweep) -> None:
    dataset = make_dataset(sessions)
    for _ in range(12):
        start(client, dataset.id)
        end_jobs(sessions)
    with unit_of_work(sessions) as session:
        first = session.scalars(select(SyncRun.job_id).order_by(SyncRun.created_at)).first()
        session.add(SyncItem(job_id=first, object_key="a", role="image", outcome="added"))
    sweep.forget_reports()
    assert len(causes(sessions)) == 10


# Told by the bucket


@pytest.fixture
def bucket(app_with_token: FlaskClient) -> Callable[..., Any]:
    def tell(body: Any, token: str = TOKEN, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return app_with_token.post("/v1/storage/events", data=json.dumps(body), headers=headers, **options)

    return tell


@pytest.fixture
def app_with_token(api_clients: Clients, app_over: AppMaker) -> FlaskClient:
    from dataclasses import replace

    settings = replace(api_clients.settings, storage_events_token=TOKEN)
    return app_over(replace(api_clients, settings=settings)).test_client()


def event(*keys: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": key}}} for key in keys]}


def test_many_events_are_one_synchronisation(
    bucket: Callable[..., Any], sessions: Sessions, sweep: Sweep
) -> None:
    make_dataset(sessions, input_path="my photos/")
    make_dataset(sessions, input_path="other/")
    for number in range(5):
        answer = bucket(event(f"my+photos/%C3%A9-{number}.png"))
        assert (answer.status_code, answer.json) == (202, {"datasets": 1})
        assert "Location" not in answer.headers
    make_due(sessions)
    sweep.start_syncs()
    sweep.start_syncs()
    assert causes(sessions) == ["notification"]


def test_an_event_while_a_synchronisation_runs_makes_another_one(
    bucket: Callable[..., Any], sessions: Sessions, sweep: Sweep, client: FlaskClient
) -> None:
    dataset = make_dataset(sessions, input_path="in/")
    start(client, dataset.id)
    bucket(event("in/a.png"))
    make_due(sessions)
    sweep.start_syncs()
    assert causes(sessions) == ["request"]
    end_jobs(sessions)
    sweep.start_syncs()
    assert causes(sessions) == ["request", "notification"]


@pytest.mark.parametrize(
    "body",
    [
        {"EventName": "s3:ObjectCreated:Put", "Key": "b/in/a.png", **event("in/a.png")},
        {"type": "Notification", "message": json.dumps(event("in/a.png"))},
        {"Type": "Notification", "Message": json.dumps(event("in/a.png"))},
        {"Records": [{"eventSource": "OBS", "obs": {"bucket": {"name": "b"}, "object": {"key": "in/a.png"}}}]},
    ],
    ids=["MinIO", "SMN", "SNS", "OBS"],
)
def test_the_bucket_is_understood(bucket: Callable[..., Any], sessions: Sessions, body: Any) -> None:
    make_dataset(sessions, input_path="in/")
    assert bucket(body).json == {"datasets": 1}


@pytest.mark.parametrize(
    "body",
    [
        event("elsewhere/a.png"),
        {"Records": []},
        {"Event": "s3:TestEvent"},
        {"type": "SubscriptionConfirmation", "subscribe_url": "https://smn.example.org/confirm"},
        {"Records": [{}, {"s3": None}, {"s3": {"object": {"key": 7}}}]},
    ],
)
def test_what_concerns_nobody_moves_nothing(bucket: Callable[..., Any], sessions: Sessions, body: Any) -> None:
    make_dataset(sessions, input_path="in/")
    answer = bucket(body)
    assert (answer.status_code, answer.json) == (202, {"datasets": 0})


@pytest.mark.parametrize("body", [{}, [], 7, {"Message": "no JSON"}, {"message": json.dumps({"message": 1})}])
def test_what_is_no_event_is_refused(bucket: Callable[..., Any], body: Any) -> None:
    assert bucket(body).status_code == 422


@pytest.mark.parametrize(
    "letter",
    [
        "[" * 100_000,
        '{"Records":' * 50_000,
        '{"Records": [' + "9" * 100_000 + "]}",
        '{"Records": [NaN]}',
        '{"Records": [], "Records": []}',
    ],
    ids=["deep list", "deep object", "endless number", "NaN", "name twice"],
)
def test_a_letter_that_is_no_json_is_refused(bucket: Callable[..., Any], letter: str) -> None:
    answer = bucket({"Message": letter})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/Records")


@pytest.mark.parametrize("key", ["in/\ud800.png", "in/%00.png", "in/\0.png"])
def test_a_key_that_nothing_can_have_is_overlooked(
    bucket: Callable[..., Any], sessions: Sessions, key: str
) -> None:
    make_dataset(sessions, input_path="in/")
    assert bucket({"Message": json.dumps(event(key))}).json == {"datasets": 0}


def test_a_record_that_is_no_object_is_pointed_at(bucket: Callable[..., Any]) -> None:
    answer = bucket({"Records": [*event("in/a.png")["Records"], "odd"]})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/Records/1")


def test_what_is_no_json_is_refused(app_with_token: FlaskClient) -> None:
    answer = app_with_token.post(f"/v1/storage/events?token={TOKEN}", data=b"{")
    assert (answer.status_code, answer.json["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x"])
def test_only_the_bucket_is_heard(bucket: Callable[..., Any], sessions: Sessions, token: str) -> None:
    make_dataset(sessions, input_path="in/")
    assert bucket(event("in/a.png"), token=token).status_code == 401


def test_without_a_token_in_the_settings_nobody_is_heard(client: FlaskClient) -> None:
    answer = client.post("/v1/storage/events?token=", json=event("in/a.png"))
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")
