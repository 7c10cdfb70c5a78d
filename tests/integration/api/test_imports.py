"""Imports over HTTP: from an upload of one's own, with a report by line, and boxes to infer from."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from redis import Redis
from tests.factories import HEIGHT, WIDTH, image_bytes
from tests.integration.worker.scenes import DECODER

from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.tasks.import_dataset import ImportDatasetWork

Importing = Callable[..., dict[str, Any]]


def coco(*annotations: dict[str, Any]) -> bytes:
    document = {
        "categories": [{"id": 1, "name": "cup"}],
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **each} for each in annotations],
    }
    return json.dumps(document).encode()


POLYGON = {"segmentation": [[10, 10, 40, 10, 40, 40]]}
BOX = {"segmentation": [], "bbox": [10, 10, 30, 20]}


def archive(*annotations: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("instances.json", coco(*annotations))
        made.writestr("images/a.png", image_bytes())
    return out.getvalue()


@pytest.fixture
def base(dataset: Dataset) -> str:
    return f"/v1/datasets/{dataset.id}"


def upload(client: FlaskClient, base: str, data: bytes, kind: str = "application/zip") -> str:
    file = {"name": "coco.zip", "size_bytes": len(data), "content_type": kind}
    made = client.post(f"{base}/uploads", json={"files": [file]}).json
    slot = made["files"][0]
    assert client.put(slot["url"], data=data, headers=slot["headers"]).status_code == 204
    return str(made["id"])


@pytest.fixture
def imported(
    client: FlaskClient, base: str, sessions: Sessions, object_store: ObjectStore, redis: Redis
) -> Importing:
    """Asks for an import, has a worker do it, reads it."""

    def make(data: bytes, **body: Any) -> dict[str, Any]:
        asked = {"format": "coco", "upload_id": upload(client, base, data), **body}
        answer = client.post(f"{base}/imports", json=asked)
        assert answer.status_code == 202
        work = ImportDatasetWork(sessions, object_store, "file:///bucket", 2**30, 10**8, DECODER)
        Runner(sessions, redis, LeaseKeeper(sessions, 30, 60), 30, "worker").run(work, UUID(answer.json["id"]))
        found: dict[str, Any] = client.get(f"{base}/imports/{answer.json['id']}").json
        return found

    return make


def test_an_archive_that_was_uploaded_is_imported(client: FlaskClient, base: str, imported: Importing) -> None:
    job = imported(archive(POLYGON))
    assert (job["state"], job["result"]["counts"]["objects_added"]) == ("succeeded", 1)
    (sample,) = client.get(f"{base}/samples").json["items"]
    assert (sample["name"], sample["annotation_count"]) == ("a.png", 1)
    (revision,) = client.get(f"/v1/samples/{sample['id']}/revisions").json["items"]
    assert revision["action"] == "import"


def test_what_was_refused_is_listed_by_line(client: FlaskClient, base: str, imported: Importing) -> None:
    job = imported(archive({"segmentation": [[1, 1, 1e6, 1, 5, 5]]}))
    assert job["result"]["lines"] == {"refused": {"coordinate_absurd": 1}}
    (line,) = client.get(f"{base}/imports/{job['id']}/lines").json["items"]
    assert (line["outcome"], line["place"], line["line"], line["name"]) == (
        "refused",
        "instances.json",
        1,
        "a.png",
    )
    address = f"{base}/imports/{job['id']}/lines"
    assert client.get(address, query_string={"outcome": "converted"}).json["items"] == []


def test_lines_come_in_pages(client: FlaskClient, base: str, imported: Importing) -> None:
    outside = {"segmentation": [[-1, 10, 40, 10, 40, 40]]}
    job = imported(archive(outside, outside, outside))
    address = f"{base}/imports/{job['id']}/lines"
    page = client.get(address, query_string={"limit": 2}).json
    rest = client.get(address, query_string={"limit": 2, "cursor": page["next_cursor"]}).json
    assert [line["position"] for line in (*page["items"], *rest["items"])] == [1, 2, 3]
    assert rest["next_cursor"] is None
    assert (
        client.get(address, query_string={"cursor": page["next_cursor"], "outcome": "refused"}).status_code
        == 422
    )


def test_boxes_wait_beside_their_image_as_prompts(client: FlaskClient, base: str, imported: Importing) -> None:
    imported(archive(BOX))
    (sample,) = client.get(f"{base}/samples").json["items"]
    address = f"/v1/samples/{sample['id']}/boxes"
    (box,) = client.get(address).json["items"]
    assert (box["label"], box["prompt"]) == ("cup", {"box": [10.0, 10.0, 40.0, 30.0]})
    assert client.post(f"/v1/samples/{sample['id']}/contours", json=box["prompt"]).status_code == 202
    assert client.delete(f"{address}/{box['id']}").status_code == 204
    assert client.get(address).json["items"] == []
    assert client.delete(f"{address}/{box['id']}").status_code == 404


def test_imports_are_listed(client: FlaskClient, base: str, imported: Importing) -> None:
    job = imported(archive(POLYGON), dry_run=True)
    assert [item["id"] for item in client.get(f"{base}/imports").json["items"]] == [job["id"]]
    assert client.get(f"{base}/samples").json["items"] == []


def test_another_job_is_no_import(client: FlaskClient, base: str) -> None:
    job = client.post(f"{base}/exports", json={"format": "coco"}).json
    assert client.get(f"{base}/imports/{job['id']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/path", "source_ambiguous"),
        ({"path": "a/", "upload_id": "01930000-0000-7000-8000-00000000dead"}, "/path", "source_ambiguous"),
        ({"path": "../a/"}, "/path", "path_invalid"),
        ({"path": ".fourpoint-uploads/x/0"}, "/path", "path_reserved"),
        ({"path": "derived/"}, "/path", "path_reserved"),
    ],
)
def test_an_order_that_is_none_is_refused(
    client: FlaskClient, base: str, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = client.post(f"{base}/imports", json={"format": "coco", **body})
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [(pointer, code)]


def test_an_upload_that_is_not_there_cannot_be_imported(
    client: FlaskClient, base: str, unknown_id: Any
) -> None:
    body = {"format": "coco", "upload_id": str(unknown_id)}
    assert client.post(f"{base}/imports", json=body).status_code == 404


def test_an_upload_of_several_files_cannot_be_imported(client: FlaskClient, base: str) -> None:
    file = {"name": "a.zip", "size_bytes": 9, "content_type": "application/zip"}
    made = client.post(f"{base}/uploads", json={"files": [file, file]}).json
    answer = client.post(f"{base}/imports", json={"format": "coco", "upload_id": made["id"]})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "upload_files")


def test_an_archive_is_no_image(client: FlaskClient, base: str, sample: Sample) -> None:
    upload_id = upload(client, base, archive(POLYGON))
    answer = client.post(f"{base}/uploads/{upload_id}/register")
    assert answer.json["code"] == "image_format_unsupported"


def test_a_request_sent_twice_with_a_key_starts_one_job(client: FlaskClient, base: str) -> None:
    body = {"format": "coco", "path": "somewhere/"}
    answers = [client.post(f"{base}/imports", json=body, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert len({answer.json["id"] for answer in answers}) == 1
