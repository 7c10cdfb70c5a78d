"""`Idempotency-Key`: one effect, and the first answer again, whatever dies in between."""

import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from tests.factories import SQUARE_JSON, image_bytes, make_token
from tests.integration.api.checked_client import CheckedClient
from tests.integration.api.conftest import PersonMaker
from tests.integration.api.inventory import Inventory
from tests.integration.applications import AppMaker
from werkzeug.test import TestResponse

from fourpoint_api.clients import Clients, build_clients
from fourpoint_api.resources.datasets import operations as dataset_operations
from fourpoint_api.resources.trash import operations as trash_operations
from fourpoint_api.settings import ApiSettings
from fourpoint_api.web import idempotency as web
from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import DatabaseUnavailableError
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.models import Dataset, IdempotencyKey, Job, Sample, UploadIntent
from fourpoint_core.store.queries import idempotency as queries
from fourpoint_core.store.session import Sessions, unit_of_work

KEY = "5b0f3c3e-7a43-4c51-9f1f-6a1d4a0f4a11"


def post(
    client: FlaskClient, body: dict[str, Any], key: str | None = KEY, path: str = "/v1/datasets"
) -> TestResponse:
    return client.post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})


def change(sessions: Sessions, **values: Any) -> None:
    with unit_of_work(sessions) as session:
        session.execute(update(IdempotencyKey).values(**values))


def kept(sessions: Sessions) -> IdempotencyKey:
    with unit_of_work(sessions) as session:
        return session.scalars(select(IdempotencyKey)).one()


class SlowFirst:
    """The first request of the key: it goes on when told so, or when somebody begins to wait for it.

    failure: what it then ends with. connections_while_waiting: how many were held by anybody, at each pause of
    who waits.
    """

    def __init__(self, client: FlaskClient, clients: Clients, monkeypatch: pytest.MonkeyPatch):
        self.failure: Exception | None = None
        self.connections_while_waiting: list[int] = []
        self._inside, self._go_on = threading.Event(), threading.Event()
        self._pool = clients.sessions.kw["bind"].pool
        self._executor = ThreadPoolExecutor(1)
        self._real: Callable[[str], str] = dataset_operations.clean_name
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(dataset_operations, "clean_name", self._clean_name)
        monkeypatch.setattr(web, "sleep", self._sleep)
        self._sent = self._executor.submit(post, client, {"name": "Cats"})

    def __enter__(self) -> Self:
        assert self._inside.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.ended()
        self._executor.shutdown()

    def ended(self) -> TestResponse:
        self._go_on.set()
        return self._sent.result(30)

    def _clean_name(self, name: str) -> str:
        self._monkeypatch.setattr(dataset_operations, "clean_name", self._real)
        self._inside.set()
        assert self._go_on.wait(30)
        if self.failure is not None:
            raise self.failure
        return self._real(name)

    def _sleep(self, seconds: float) -> None:
        self.connections_while_waiting.append(self._pool.checkedout())
        self._go_on.set()
        time.sleep(seconds)


@pytest.fixture
def hasty(api_settings: ApiSettings, app_over: AppMaker, admin_token: str) -> Iterator[FlaskClient]:
    """A client of an API that waits for nobody."""
    clients = build_clients(replace(api_settings, max_wait_seconds=0.0))
    yield CheckedClient(app_over(clients), admin_token)
    clients.close()


def datasets_named(sessions: Sessions, name: str) -> int:
    with unit_of_work(sessions) as session:
        counted = select(func.count()).select_from(Dataset).where(Dataset.name == name)
        return session.scalar(counted) or 0


def test_the_same_request_is_answered_the_same(client: FlaskClient, sessions: Sessions) -> None:
    first, second = (post(client, {"name": "Cats"}) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.data == second.data
    for header in ("Location", "ETag", "Content-Type"):
        assert first.headers[header] == second.headers[header]
    assert datasets_named(sessions, "Cats") == 1


def test_an_answer_given_again_says_so(client: FlaskClient) -> None:
    assert "Idempotency-Replayed" not in post(client, {"name": "Cats"}).headers
    assert post(client, {"name": "Cats"}).headers["Idempotency-Replayed"] == "true"


def test_without_a_key_a_request_is_a_new_one(client: FlaskClient) -> None:
    assert post(client, {"name": "Cats"}, key=None).status_code == 201
    assert post(client, {"name": "Cats"}, key=None).json["code"] == "name_taken"


def test_a_refusal_is_given_again(client: FlaskClient, dataset: Dataset) -> None:
    assert [post(client, {"name": dataset.name}).json["code"] for _ in range(2)] == ["name_taken"] * 2


def test_a_key_with_another_body_is_refused(client: FlaskClient, sessions: Sessions) -> None:
    post(client, {"name": "Cats"})
    answer = post(client, {"name": "Dogs"})
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
    assert datasets_named(sessions, "Dogs") == 0


def test_a_key_at_another_address_is_refused(client: FlaskClient, dataset: Dataset) -> None:
    post(client, {"name": "cat"}, path=f"/v1/datasets/{dataset.id}/labels")
    assert post(client, {"name": "cat"}).json["code"] == "idempotency_key_reused"


def test_a_key_is_a_persons_own(
    client: FlaskClient, dataset: Dataset, person: PersonMaker, sessions: Sessions
) -> None:
    assert post(client, {"name": "Cats 2"}).status_code == 201
    assert post(person(), {"name": "Dogs"}).status_code == 201


NEW_TOKEN = {"name": "of an admin", "scope": "admin"}


def test_a_weaker_token_is_not_given_what_a_stronger_one_was_answered(
    app: Flask, client: FlaskClient, sessions: Sessions
) -> None:
    assert post(client, NEW_TOKEN, path="/v1/tokens").status_code == 201
    weaker = CheckedClient(app, make_token(sessions, scope=Scope.MANAGE))
    assert post(weaker, NEW_TOKEN, path="/v1/tokens").status_code == 403


def test_a_secret_comes_again_to_who_lost_it_and_cannot_be_read_in_the_database(
    client: FlaskClient, sessions: Sessions
) -> None:
    first, again = (post(client, NEW_TOKEN, path="/v1/tokens") for _ in range(2))
    row = kept(sessions)
    assert first.json["secret"].encode() not in (row.body or b"")
    assert KEY not in row.key
    assert again.data == first.data
    assert again.headers["Cache-Control"] == "no-store"


def test_an_answer_kept_under_another_secret_of_the_service_is_lost(
    client: FlaskClient, api_settings: ApiSettings, app_over: AppMaker, admin_token: str
) -> None:
    post(client, {"name": "Cats"})
    clients = build_clients(replace(api_settings, secret_key="another secret of the tests"))
    answer = post(CheckedClient(app_over(clients), admin_token), {"name": "Cats"})
    clients.close()
    assert (answer.status_code, answer.json["code"]) == (409, "answer_lost")
    assert "GET /v1/datasets " in answer.json["detail"]


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256])
def test_what_is_no_key_is_refused(client: FlaskClient, sessions: Sessions, key: str) -> None:
    answer = post(client, {"name": "Cats"}, key)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == "idempotency_key_invalid"
    assert datasets_named(sessions, "Cats") == 0


def test_whoever_may_not_ask_takes_no_key(nobody: FlaskClient, inventory: Inventory) -> None:
    before = inventory.rows()["idempotency_keys"]
    assert post(nobody, {"name": "Cats"}).status_code == 401
    assert inventory.rows()["idempotency_keys"] == before


def test_a_request_that_only_looked_is_carried_out_again(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions
) -> None:
    path = f"/v1/datasets/{dataset.id}/samples/delete"
    body = {"ids": [str(sample.id)], "dry_run": True}
    assert post(client, body, path=path).json["samples"] == 1
    client.post(path, json={"ids": [str(sample.id)]})
    assert post(client, body, path=path).json["samples"] == 0


@pytest.fixture
def first(
    app: Flask, api_clients: Clients, admin_token: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SlowFirst]:
    """A request that is carried out until it is told to end, or until another one waits for it."""
    with SlowFirst(CheckedClient(app, admin_token), api_clients, monkeypatch) as made:
        yield made


def test_a_request_that_comes_meanwhile_waits_for_the_answer_of_the_first(
    client: FlaskClient, first: SlowFirst, sessions: Sessions
) -> None:
    meanwhile = post(client, {"name": "Cats"})
    assert (meanwhile.status_code, meanwhile.data) == (201, first.ended().data)
    assert meanwhile.headers["Idempotency-Replayed"] == "true"
    assert datasets_named(sessions, "Cats") == 1


def test_who_waits_for_the_first_holds_no_connection(client: FlaskClient, first: SlowFirst) -> None:
    post(client, {"name": "Cats"})
    assert first.connections_while_waiting[0] == 0


def test_where_the_first_fails_who_waited_carries_the_request_out(
    client: FlaskClient, first: SlowFirst, sessions: Sessions
) -> None:
    first.failure = DatabaseUnavailableError("The process ends here.")
    meanwhile = post(client, {"name": "Cats"})
    assert (first.ended().status_code, meanwhile.status_code) == (503, 201)
    assert datasets_named(sessions, "Cats") == 1


def test_where_too_many_wait_already_one_is_told_to_come_again(
    crowded_client: FlaskClient, first: SlowFirst
) -> None:
    meanwhile = post(crowded_client, {"name": "Cats"})
    assert (meanwhile.status_code, meanwhile.json["code"]) == (409, "request_in_progress")
    assert int(meanwhile.headers["Retry-After"]) > 0
    assert first.connections_while_waiting == []


def test_whoever_waits_for_the_first_sits_on_the_callers_share_of_the_seats(
    api_settings: ApiSettings, app_over: AppMaker, admin_token: str, first: SlowFirst
) -> None:
    clients = build_clients(replace(api_settings, max_waiters=3))
    seats = clients.news.seats
    with seats.taken(LOCAL_USER_ID), seats.taken(LOCAL_USER_ID):
        meanwhile = post(CheckedClient(app_over(clients), admin_token), {"name": "Cats"})
    clients.close()
    assert (meanwhile.status_code, meanwhile.json["code"]) == (409, "request_in_progress")


def test_who_has_waited_long_enough_is_told_to_come_again(hasty: FlaskClient, first: SlowFirst) -> None:
    meanwhile = post(hasty, {"name": "Cats"})
    assert (meanwhile.status_code, meanwhile.json["code"]) == (409, "request_in_progress")
    assert int(meanwhile.headers["Retry-After"]) > 0


def test_of_many_at_once_one_is_carried_out(app: Flask, admin_token: str, sessions: Sessions) -> None:
    with ThreadPoolExecutor(8) as pool:
        clients = [CheckedClient(app, admin_token) for _ in range(8)]
        answers = list(pool.map(lambda one: post(one, {"name": "Cats"}), clients))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert datasets_named(sessions, "Cats") == 1


# Who dies where


def dies(*_: Any, **__: Any) -> None:
    raise DatabaseUnavailableError("The process ends here.")


def test_who_dies_before_the_effect_is_followed_by_another(
    client: FlaskClient, hasty: FlaskClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(queries, "redeem", dies)
        patched.setattr(queries, "give_back", dies)
        assert post(client, {"name": "Cats"}).status_code == 503
    assert datasets_named(sessions, "Cats") == 0
    assert post(hasty, {"name": "Cats"}).json["code"] == "request_in_progress"
    change(sessions, attempt_expires_at=func.clock_timestamp())
    assert post(client, {"name": "Cats"}).status_code == 201


def test_who_dies_behind_the_effect_has_it_done_once(
    client: FlaskClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(queries, "keep", dies)
        assert post(client, {"name": "Cats"}).status_code == 201
    change(sessions, attempt_expires_at=func.clock_timestamp())
    answer = post(client, {"name": "Cats"})
    assert (answer.status_code, answer.json["code"]) == (409, "answer_lost")
    assert "GET /v1/datasets " in answer.json["detail"]
    assert datasets_named(sessions, "Cats") == 1


def test_effect_and_key_are_committed_together(client: FlaskClient, sessions: Sessions) -> None:
    post(client, {"name": "Cats"})
    redeemed_at = kept(sessions).redeemed_at
    assert redeemed_at is not None


def test_an_attempt_that_was_thought_dead_changes_nothing(
    app: Flask, admin_token: str, client: FlaskClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # While the first one sleeps, its patience runs out, and the second one does the work.
    answers: list[TestResponse] = []
    real: Callable[[str], str] = dataset_operations.clean_name

    def second() -> None:
        change(sessions, attempt_expires_at=func.clock_timestamp())
        answers.append(post(CheckedClient(app, admin_token), {"name": "Cats"}))

    def overslept(name: str) -> str:
        monkeypatch.setattr(dataset_operations, "clean_name", real)
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        return f"{name} again"

    monkeypatch.setattr(dataset_operations, "clean_name", overslept)
    late = post(client, {"name": "Cats"})
    assert answers[0].status_code == 201
    assert (late.status_code, late.json["code"]) == (409, "request_in_progress")
    assert datasets_named(sessions, "Cats again") == 0
    assert post(client, {"name": "Cats"}).data == answers[0].data


def test_a_failure_of_the_service_may_be_tried_again(
    client: FlaskClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(dataset_operations, "clean_name", dies)
        assert post(client, {"name": "Cats"}).status_code == 503
    assert post(client, {"name": "Cats"}).status_code == 201


def test_a_key_serves_its_time_and_no_longer(client: FlaskClient, sessions: Sessions) -> None:
    post(client, {"name": "Cats"})
    with unit_of_work(sessions) as session:
        queries.forget_old(session, timedelta(hours=1))
    assert post(client, {"name": "Cats"}).status_code == 201
    change(sessions, created_at=func.clock_timestamp() - timedelta(hours=2))
    with unit_of_work(sessions) as session:
        queries.forget_old(session, timedelta(hours=1))
    assert post(client, {"name": "Cats"}).json["code"] == "name_taken"


def upload(client: FlaskClient, dataset: Dataset, name: str) -> TestResponse:
    form = {"files": [(io.BytesIO(image_bytes()), name)]}
    path = f"/v1/datasets/{dataset.id}/samples"
    return client.post(path, data=form, headers={"Idempotency-Key": KEY})


def test_a_form_is_the_same_request_under_another_boundary(
    client: FlaskClient, dataset: Dataset, inventory: Inventory
) -> None:
    first, second = (upload(client, dataset, "a.png") for _ in range(2))
    assert first.status_code == 201
    assert first.data == second.data
    assert inventory.rows()["samples"] == 1


def test_a_key_with_other_files_is_refused(client: FlaskClient, dataset: Dataset) -> None:
    upload(client, dataset, "a.png")
    assert upload(client, dataset, "b.png").json["code"] == "idempotency_key_reused"


def test_an_upload_whose_answer_was_lost_is_answered_from_what_it_stored(
    client: FlaskClient,
    dataset: Dataset,
    sample: Sample,
    sessions: Sessions,
    inventory: Inventory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(queries, "keep", dies)
        first = upload(client, dataset, "a.png")
    change(sessions, attempt_expires_at=func.clock_timestamp())
    stored = inventory()
    assert upload(client, dataset, "a.png").json == first.json
    assert inventory() == stored
    assert first.json["items"][0]["duplicates"] == [{"sample_id": str(sample.id), "name": sample.name}]


@pytest.mark.parametrize("at_once", [100, 0])
@pytest.mark.parametrize("delete_source", [False, True])
def test_a_deletion_whose_answer_was_lost_is_answered_from_what_it_did(
    client: FlaskClient,
    dataset: Dataset,
    sample: Sample,
    sessions: Sessions,
    inventory: Inventory,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    delete_source: bool,
) -> None:
    monkeypatch.setattr(trash_operations, "AT_ONCE", at_once)
    path = f"/v1/datasets/{dataset.id}/samples/delete"
    body = {"ids": [str(sample.id)], "delete_source": delete_source}
    with monkeypatch.context() as patched:
        patched.setattr(queries, "keep", dies)
        first = post(client, body, path=path)
    change(sessions, attempt_expires_at=func.clock_timestamp())
    done = inventory()
    again = post(client, body, path=path)
    assert (again.status_code, again.json) == (first.status_code, first.json)
    assert first.status_code == (200 if at_once else 202)
    assert inventory() == done


def test_an_undo_whose_answer_was_lost_is_answered_with_the_document(
    client: FlaskClient,
    sample: Sample,
    sessions: Sessions,
    inventory: Inventory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = f"/v1/samples/{sample.id}/annotations"
    client.post(document, json={"contour": SQUARE_JSON, "label": "cat"})
    headers = {"If-Match": client.get(document).headers["ETag"], "Idempotency-Key": KEY}
    with monkeypatch.context() as patched:
        patched.setattr(queries, "keep", dies)
        first = client.post(f"/v1/samples/{sample.id}/undo", headers=headers)
    change(sessions, attempt_expires_at=func.clock_timestamp())
    done = inventory()
    again = client.post(f"/v1/samples/{sample.id}/undo", headers=headers)
    assert (again.status_code, again.json, again.headers["ETag"]) == (200, first.json, first.headers["ETag"])
    assert first.json["annotations"] == []
    assert inventory() == done


# Really killed

_KILLED = """
import io, json, os, signal, sys
from fourpoint_api.app import create_app
from fourpoint_api.clients import Clients, build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_api.web import idempotency as web
from fourpoint_core.store.queries import idempotency, samples

database, redis, storage, secret, token, key, when, path, body, file = sys.argv[1:]
module, name = {
    "between object and commit": (samples, "redeem_keys"),
    "between taking the key and the effect": (idempotency, "redeem"),
    "between commit and answer": (idempotency, "keep"),
}[when]
setattr(module, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
app = create_app(build_clients(ApiSettings(database, redis, storage, secret_key=secret)))
headers = {"Idempotency-Key": key, "Authorization": f"Bearer {token}"}
if file:
    form = {"files": [(io.BytesIO(bytes.fromhex(file)), "a.png")]}
    app.test_client().post(path, data=form, headers=headers)
else:
    app.test_client().post(path, json=json.loads(body), headers=headers)
"""


@pytest.fixture
def killed_at(api_settings: ApiSettings, admin_token: str) -> Callable[..., None]:
    """Has a process of its own take a request, and be killed at a moment of it."""

    def killed(when: str, path: str, body: dict[str, Any] | None = None, file: bytes = b"") -> None:
        given = (api_settings.database_url, api_settings.redis_url, api_settings.storage_url)
        caller = (api_settings.secret_key, admin_token, KEY)
        arguments = [*given, *caller, when, path, json.dumps(body), file.hex()]
        done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
        assert done.returncode == -signal.SIGKILL

    return killed


@pytest.mark.parametrize("when", ["between taking the key and the effect", "between commit and answer"])
def test_a_save_whose_process_is_killed_is_saved_once(
    client: FlaskClient,
    hasty: FlaskClient,
    sample: Sample,
    sessions: Sessions,
    killed_at: Callable[..., None],
    when: str,
) -> None:
    path = f"/v1/samples/{sample.id}/annotations"
    body = {"contour": SQUARE_JSON, "label": "cat"}
    killed_at(when, path, body)
    assert post(hasty, body, path=path).json["code"] == "request_in_progress"
    change(sessions, attempt_expires_at=func.clock_timestamp())
    answer = post(client, body, path=path)
    assert answer.status_code == 201, answer.json
    document = client.get(path)
    assert document.json["annotations"] == [answer.json]
    assert document.headers["ETag"].startswith(answer.headers["ETag"].rstrip('"'))
    assert post(client, body, path=path).data == answer.data


def test_a_click_whose_process_is_killed_is_answered_by_its_job(
    client: FlaskClient, sample: Sample, sessions: Sessions, killed_at: Callable[..., None]
) -> None:
    path = f"/v1/samples/{sample.id}/contours"
    body = {"box": [10, 10, 60, 60]}
    killed_at("between commit and answer", path, body)
    change(sessions, attempt_expires_at=func.clock_timestamp())
    answer = post(client, body, path=path)
    with unit_of_work(sessions) as session:
        jobs = [str(id_) for id_ in session.scalars(select(Job.id))]
    assert (answer.status_code, [answer.json["id"]]) == (202, jobs)


@pytest.mark.parametrize("when", ["between object and commit", "between commit and answer"])
def test_an_upload_whose_process_is_killed_is_stored_once(
    client: FlaskClient,
    hasty: FlaskClient,
    dataset: Dataset,
    sessions: Sessions,
    inventory: Inventory,
    killed_at: Callable[..., None],
    when: str,
) -> None:
    killed_at(when, f"/v1/datasets/{dataset.id}/samples", file=image_bytes())
    assert upload(hasty, dataset, "a.png").json["code"] == "request_in_progress"
    change(sessions, attempt_expires_at=func.clock_timestamp())
    answer = upload(client, dataset, "a.png")
    assert answer.status_code == 201
    assert inventory.rows()["samples"] == 1
    assert upload(client, dataset, "a.png").data == answer.data
    with unit_of_work(sessions) as session:
        promised = set(session.scalars(select(UploadIntent.object_key)))
    stored = {item["object_key"] for item in answer.json["items"]}
    # What the dead one left behind is promised to the sweep.
    assert set(inventory.objects()) == stored | promised
