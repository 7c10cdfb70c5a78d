"""Uploads past the API: signed slots, in a directory and in a real S3 service, and the images they become."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from tests.factories import image_bytes, padded_png, sideways_jpeg
from tests.fakes import FailingStore
from tests.integration.api.checked_client import CheckedClient
from tests.integration.api.inventory import Inventory
from tests.integration.applications import AppMaker
from tests.s3_server import s3_bucket, s3_server  # noqa: F401 - fixtures
from werkzeug.test import TestResponse

from fourpoint_api.clients import Clients, build_clients
from fourpoint_api.resources.uploads import operations
from fourpoint_api.settings import ApiSettings
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.staging import staged_key
from fourpoint_core.store.models import Dataset, DirectUpload
from fourpoint_core.store.session import Sessions, unit_of_work

PNG, JPEG = image_bytes(), sideways_jpeg(6)
TYPES = {b"\x89": "image/png", b"\xff": "image/jpeg", b"B": "image/bmp"}


@dataclass
class Uploader:
    """A client of an API, and of the store that it sends its uploads to."""

    client: FlaskClient
    store: ObjectStore
    dataset: Dataset
    app: Flask
    clients: Clients

    def create(self, *files: bytes, **more: Any) -> TestResponse:
        """Ask for slots."""
        wanted = [
            {
                "name": f"{index}.img",
                "size_bytes": len(data),
                "content_type": TYPES.get(data[:1], "image/png"),
            }
            for index, data in enumerate(files)
        ]
        return self.client.post(f"/v1/datasets/{self.dataset.id}/uploads", json={"files": wanted}, **more)

    def write(self, slot: dict[str, Any], data: bytes, **changes: str) -> int:
        """Send a file to its slot, as a browser would: straight to the store, where that takes requests."""
        headers = {**slot["headers"], **changes}
        if slot["url"].startswith("http"):
            return httpx.put(slot["url"], content=data, headers=headers).status_code
        # Nobody is signed in there: the address is the permission. gunicorn ends bodies itself, and says so.
        ends = {"wsgi.input_terminated": True}
        answer = CheckedClient(self.app).put(slot["url"], data=data, headers=headers, environ_overrides=ends)
        return answer.status_code

    def written(self, *files: bytes) -> str:
        """The address of an upload whose files are written."""
        upload = self.create(*files).json
        for slot, data in zip(upload["files"], files, strict=True):
            assert self.write(slot, data) in {200, 204}
        return f"/v1/datasets/{self.dataset.id}/uploads/{upload['id']}"

    def register(self, address: str, **more: Any) -> TestResponse:
        """Make images of an upload."""
        return self.client.post(f"{address}/register", **more)


def build(app_over: AppMaker, clients: Clients, dataset: Dataset, token: str) -> Uploader:
    app = app_over(clients)
    return Uploader(CheckedClient(app, token), clients.store, dataset, app, clients)


@pytest.fixture(params=["directory", "s3"])
def uploader(
    request: pytest.FixtureRequest,
    api_settings: ApiSettings,
    app_over: AppMaker,
    dataset: Dataset,
    admin_token: str,
) -> Iterator[Uploader]:
    settings = api_settings
    if request.param == "s3":
        server, bucket = request.getfixturevalue("s3_server"), request.getfixturevalue("s3_bucket")
        settings = replace(
            api_settings,
            storage_url=f"{server.url}/{bucket}",
            storage_access_key=server.access_key,
            storage_secret_key=server.secret_key,
        )
    clients = build_clients(settings)
    yield build(app_over, clients, dataset, admin_token)
    clients.close()


@pytest.fixture
def local(api_clients: Clients, app_over: AppMaker, dataset: Dataset, admin_token: str) -> Uploader:
    return build(app_over, api_clients, dataset, admin_token)


def keys(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list()]


def test_what_was_written_becomes_images(uploader: Uploader) -> None:
    answer = uploader.register(uploader.written(PNG, JPEG))
    assert answer.status_code == 201, answer.json
    first, second = answer.json["items"]
    assert (first["name"], first["original_name"]) == ("0.img.png", "0.img")
    assert (second["media_type"], second["width"], second["height"]) == ("image/jpeg", 80, 100)
    assert [uploader.store.read(item["object_key"]) for item in (first, second)] == [PNG, JPEG]


def test_a_file_is_written_where_the_server_ends_the_body_itself(local: Uploader) -> None:
    slot = local.create(PNG).json["files"][0]
    written = CheckedClient(local.app).put(
        slot["url"], data=PNG, headers=slot["headers"], environ_overrides={"wsgi.input_terminated": True}
    )
    assert written.status_code == 204


def test_a_bucket_is_signed_for_where_clients_reach_it(
    s3_server: Any,  # noqa: F811
    s3_bucket: str,  # noqa: F811
    api_settings: ApiSettings,
    app_over: AppMaker,
    dataset: Dataset,
    admin_token: str,
) -> None:
    public = s3_server.url.replace("127.0.0.1", "localhost")
    assert public != s3_server.url
    settings = replace(
        api_settings,
        storage_url=f"{s3_server.url}/{s3_bucket}",
        storage_public_url=f"{public}/{s3_bucket}",
        storage_access_key=s3_server.access_key,
        storage_secret_key=s3_server.secret_key,
    )
    clients = build_clients(settings)
    uploader = build(app_over, clients, dataset, admin_token)
    upload = uploader.create(PNG).json
    assert upload["files"][0]["url"].startswith(f"{public}/")
    answer = uploader.register(uploader.written(PNG))
    assert answer.status_code == 201, answer.json
    clients.close()


def test_nothing_stays_where_it_was_written(uploader: Uploader) -> None:
    items = uploader.register(uploader.written(PNG)).json["items"]
    assert keys(uploader.store) == [items[0]["object_key"]]


def test_what_is_not_registered_is_no_image(uploader: Uploader) -> None:
    uploader.written(PNG)
    assert uploader.client.get(f"/v1/datasets/{uploader.dataset.id}/samples").json["items"] == []


@pytest.mark.parametrize("data", [PNG + b"x", PNG[:-1], b""])
def test_a_slot_takes_the_announced_size_only(uploader: Uploader, data: bytes) -> None:
    (slot,) = uploader.create(PNG).json["files"]
    assert uploader.write(slot, data) >= 400
    assert keys(uploader.store) == []


def test_a_slot_takes_the_announced_type_only(uploader: Uploader) -> None:
    (slot,) = uploader.create(PNG).json["files"]
    assert uploader.write(slot, PNG, **{"Content-Type": "text/html"}) >= 400
    assert keys(uploader.store) == []


def test_an_address_that_was_changed_opens_nothing(uploader: Uploader) -> None:
    (slot,) = uploader.create(PNG).json["files"]
    # Not the last character, of which some bits may mean nothing.
    changed = slot["url"][:-10] + ("a" if slot["url"][-10] != "a" else "b") + slot["url"][-9:]
    assert uploader.write({**slot, "url": changed}, PNG) == 403
    assert keys(uploader.store) == []


def test_registered_again_it_answers_with_the_same_images(uploader: Uploader) -> None:
    address = uploader.written(PNG)
    first, second = uploader.register(address), uploader.register(address)
    assert second.status_code == 201
    assert second.json == first.json
    assert len(keys(uploader.store)) == 1


def test_a_file_that_was_not_written_refuses_the_upload(uploader: Uploader, inventory: Inventory) -> None:
    upload = uploader.create(PNG, JPEG).json
    uploader.write(upload["files"][0], PNG)
    rows = inventory.rows()
    answer = uploader.register(f"/v1/datasets/{uploader.dataset.id}/uploads/{upload['id']}")
    assert (answer.status_code, answer.json["code"]) == (409, "object_missing")
    assert [error["pointer"] for error in answer.json["errors"]] == ["/files/1"]
    assert inventory.rows() == rows


def test_every_bad_file_is_named_and_nothing_stored(uploader: Uploader, inventory: Inventory) -> None:
    files = [PNG, b"GIF89a", PNG[: len(PNG) // 2]]
    address = uploader.written(*files)
    rows = inventory.rows()
    answer = uploader.register(address)
    assert (answer.status_code, answer.json["code"]) == (422, "upload_refused")
    found = [(error["pointer"], error["code"]) for error in answer.json["errors"]]
    assert found == [("/files/1", "image_format_unsupported"), ("/files/2", "image_damaged")]
    assert inventory.rows() == rows


def test_a_refused_upload_can_be_written_again_and_registered(uploader: Uploader) -> None:
    upload = uploader.create(PNG).json
    address = f"/v1/datasets/{uploader.dataset.id}/uploads/{upload['id']}"
    uploader.write(upload["files"][0], b"x" * len(PNG))
    assert uploader.register(address).status_code == 415
    uploader.write(upload["files"][0], PNG)
    assert uploader.register(address).status_code == 201


# What follows does not depend on the store.


def test_what_exceeds_an_upload_goes_in_one_go(local: Uploader) -> None:
    files = [padded_png(4 * 2**20 + index) for index in range(3)]
    items = local.register(local.written(*files)).json["items"]
    assert [item["size_bytes"] for item in items] == [len(data) for data in files]


def test_duplicates_are_named(local: Uploader) -> None:
    (first,) = local.register(local.written(PNG)).json["items"]
    (second,) = local.register(local.written(PNG)).json["items"]
    assert (first["duplicates"], second["name"]) == ([], "0.img-2.png")
    assert second["duplicates"] == [{"sample_id": first["id"], "name": first["name"]}]


def test_a_file_over_the_limit_gets_no_slot(local: Uploader, inventory: Inventory) -> None:
    before = inventory.rows()
    answer = local.create(padded_png(5 * 2**20 + 1))
    assert (answer.status_code, answer.json["code"]) == (413, "file_too_large")
    assert answer.json["errors"][0]["pointer"] == "/files/0/size_bytes"
    assert inventory.rows() == before


def test_files_over_the_limit_in_all_get_no_slots(local: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MAX_BYTES", 2 * len(PNG) - 1)
    assert local.create(PNG, PNG).json["code"] == "batch_too_large"


@pytest.mark.parametrize(
    "file",
    [
        {"name": "a.png", "size_bytes": 0, "content_type": "image/png"},
        {"name": "a.png", "size_bytes": -1, "content_type": "image/png"},
        {"name": "a.png", "size_bytes": 10**30, "content_type": "image/png"},
        {"name": "a.png", "size_bytes": "10", "content_type": "image/gif"},
        {"name": "", "size_bytes": 10, "content_type": "image/png"},
        {"name": "a.png", "size_bytes": 10},
    ],
)
def test_what_is_no_file_gets_no_slot(local: Uploader, file: dict[str, Any]) -> None:
    answer = local.client.post(f"/v1/datasets/{local.dataset.id}/uploads", json={"files": [file]})
    assert answer.status_code in {413, 422}


def test_an_address_runs_out(local: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    (slot,) = local.create(PNG).json["files"]
    monkeypatch.setattr(operations, "SECONDS", -1)
    assert local.write(slot, PNG) == 403


def test_a_slot_of_a_registered_upload_takes_nothing(local: Uploader) -> None:
    upload = local.create(PNG).json
    local.write(upload["files"][0], PNG)
    local.register(f"/v1/datasets/{local.dataset.id}/uploads/{upload['id']}")
    assert local.write(upload["files"][0], PNG) == 409
    assert len(keys(local.store)) == 1


def test_an_upload_is_read_with_its_slots(local: Uploader) -> None:
    upload = local.create(PNG)
    again = local.client.get(upload.headers["Location"]).json
    assert (again["id"], again["registered"]) == (upload.json["id"], False)
    assert local.write(again["files"][0], PNG) == 204


def test_an_upload_of_another_dataset_is_not_found(local: Uploader, unknown_id: UUID) -> None:
    upload = local.create(PNG).json
    assert local.client.get(f"/v1/datasets/{unknown_id}/uploads/{upload['id']}").status_code == 404


def test_a_file_that_changes_while_it_is_registered_is_not_stored(
    local: Uploader, monkeypatch: pytest.MonkeyPatch, inventory: Inventory
) -> None:
    upload = local.create(PNG).json
    local.write(upload["files"][0], PNG)
    rows = inventory.rows()
    real = operations.uploads.store_checked

    def replaced_meanwhile(*args: Any) -> Any:
        local.store.put(staged_key(UUID(upload["id"]), 0), b"x" * len(PNG), content_type="image/png")
        return real(*args)

    monkeypatch.setattr(operations.uploads, "store_checked", replaced_meanwhile)
    answer = local.register(f"/v1/datasets/{local.dataset.id}/uploads/{upload['id']}")
    assert (answer.status_code, answer.json["code"]) == (409, "conflict")
    assert inventory.rows() == rows


def test_two_who_register_at_once_get_the_same_images(
    local: Uploader, admin_token: str, sessions: Sessions
) -> None:
    address = local.written(PNG, JPEG)
    answers: list[Any] = []

    def go() -> None:
        answers.append(CheckedClient(local.app, admin_token).post(f"{address}/register").json)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = {tuple(item["id"] for item in answer["items"]) for answer in answers}
    assert len(ids) == 1
    assert len(keys(local.store)) == 2


def test_an_upload_that_fails_half_way_takes_back_what_it_stored(
    local: Uploader, app_over: AppMaker, admin_token: str, inventory: Inventory
) -> None:
    address = local.written(PNG, JPEG)
    before = inventory()
    broken = build(
        app_over,
        replace(local.clients, store=FailingStore(local.store, fail_at=2)),
        local.dataset,
        admin_token,
    )
    assert broken.register(address).status_code == 503
    objects = [key for key in inventory.objects() if key.startswith(local.dataset.input_path)]
    assert objects == []
    assert {**inventory.rows(), "upload_intents": 0} == {**before[0], "upload_intents": 0}
    assert local.register(address).status_code == 201


def test_slots_asked_for_twice_under_a_key_are_the_same(local: Uploader, sessions: Sessions) -> None:
    headers = {"Idempotency-Key": "slots"}
    first, second = (local.create(PNG, headers=headers) for _ in range(2))
    assert first.json["id"] == second.json["id"]
    with unit_of_work(sessions) as session:
        assert session.scalar(select(func.count()).select_from(DirectUpload)) == 1
        session.execute(update(DirectUpload).values(expires_at=func.clock_timestamp() - timedelta(hours=1)))
