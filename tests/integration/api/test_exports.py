"""Exports over HTTP: asked for, shared, listed, downloaded in parts, deleted."""

import io
import zipfile
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, update
from tests.factories import SQUARE_JSON

from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Export, Sample
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork

Exporting = Callable[..., dict[str, Any]]


@pytest.fixture
def address(dataset: Dataset) -> str:
    return f"/v1/datasets/{dataset.id}/exports"


@pytest.fixture
def exported(
    client: FlaskClient, address: str, sessions: Sessions, object_store: ObjectStore, redis: Redis
) -> Exporting:
    """Asks for an export, has a worker make it, reads it."""

    def make(**body: Any) -> dict[str, Any]:
        job = client.post(address, json={"format": "coco", **body}).json
        keeper = LeaseKeeper(sessions, 30, 60)
        work = ExportDatasetWork(sessions, object_store, "file:///bucket", 7)
        Runner(sessions, redis, keeper, 30, "worker").run(work, UUID(job["id"]))
        result = client.get(f"/v1/jobs/{job['id']}").json["result"]
        found: dict[str, Any] = client.get(f"{address}/{result['export_id']}").json
        return found

    return make


def label(client: FlaskClient, sample: Sample) -> None:
    body = {"label": "cat", "contour": SQUARE_JSON}
    assert client.post(f"/v1/samples/{sample.id}/annotations", json=body).status_code == 201


def test_an_export_is_asked_for_made_and_downloaded(
    client: FlaskClient, nobody: FlaskClient, sample: Sample, exported: Exporting
) -> None:
    label(client, sample)
    made = exported(with_images=True)
    answer = nobody.get(made["download"]["url"])
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == [
            "annotations/instances_default.json",
            f"images/default/{sample.name}",
            "fourpoint.json",
        ]


def test_a_download_goes_on_where_it_was_cut(nobody: FlaskClient, sample: Sample, exported: Exporting) -> None:
    made = exported(with_images=True)
    url = made["download"]["url"]
    whole = nobody.get(url)
    rest = nobody.get(url, headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]})
    assert (rest.status_code, rest.data) == (206, whole.data[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{made['size_bytes'] - 1}/{made['size_bytes']}"


def test_an_address_that_was_changed_opens_nothing(
    nobody: FlaskClient, sample: Sample, exported: Exporting
) -> None:
    url = exported()["download"]["url"]
    answer = nobody.get(url.replace("/download", "x/download"))
    assert (answer.status_code, answer.json["code"]) == (403, "signature_invalid")


def test_who_asks_twice_gets_the_job_that_waits_already(
    client: FlaskClient, sample: Sample, address: str
) -> None:
    first, again, other = (
        client.post(address, json={"format": name}).json["id"] for name in ("coco", "coco", "yolo")
    )
    assert first == again != other


def test_a_job_that_has_begun_is_not_joined(
    client: FlaskClient, sample: Sample, address: str, exported: Exporting
) -> None:
    made = exported()
    assert client.post(address, json={"format": "coco"}).json["id"] != made["id"]


def test_exports_are_listed_until_they_are_deleted(
    client: FlaskClient, sample: Sample, address: str, exported: Exporting
) -> None:
    made, other = exported(), exported(format="yolo")
    assert [item["id"] for item in client.get(address).json["items"]] == [made["id"], other["id"]]
    page = client.get(address, query_string={"limit": 1}).json
    assert (
        client.get(address, query_string={"cursor": page["next_cursor"]}).json["items"][0]["id"] == other["id"]
    )
    assert client.delete(f"{address}/{made['id']}").status_code == 204
    assert [item["id"] for item in client.get(address).json["items"]] == [other["id"]]
    assert client.get(f"{address}/{made['id']}").status_code == 404
    assert client.get(made["download"]["url"]).status_code == 404


def test_what_has_run_out_cannot_be_downloaded(
    nobody: FlaskClient, sample: Sample, sessions: Sessions, exported: Exporting
) -> None:
    url = exported()["download"]["url"]
    with unit_of_work(sessions) as session:
        session.execute(update(Export).values(expires_at=func.clock_timestamp()))
    assert nobody.get(url).status_code == 404


def test_an_export_to_the_bucket_has_a_path_and_no_download(sample: Sample, exported: Exporting) -> None:
    made = exported(output_path="exports/of/cats/")
    assert made["download"] is None
    assert made["path"].startswith("exports/of/cats/Cats-")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"format": "pdf"}, "/format", "invalid"),
        ({"output_path": "out"}, "/output_path", "path_invalid"),
        ({"output_path": "a/../b/"}, "/output_path", "path_invalid"),
        ({"output_path": "derived/x/"}, "/output_path", "path_reserved"),
        ({"output_path": ".fourpoint-exports/"}, "/output_path", "path_reserved"),
        ({"split": {}}, "/split", "split_ambiguous"),
        ({"split": {"ratios": {"train": 1.0}, "attribute": "x"}}, "/split", "split_ambiguous"),
        ({"split": {"ratios": {"train": 0.5}}}, "/split/ratios", "split_invalid"),
        ({"filter": {"status": "nonsense"}}, "/filter/status", "invalid"),
        ({"ids": [str(UUID(int=1))], "filter": {"status": "labeled"}}, "/ids", "selection_ambiguous"),
    ],
)
def test_an_order_that_is_none_is_refused(
    client: FlaskClient, address: str, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = client.post(address, json={"format": "coco", **body})
    assert answer.status_code == 422
    found = [(error["pointer"], error["code"]) for error in answer.json["errors"]]
    assert found[0][0] == pointer
    assert code == "invalid" or found[0][1] == code


def test_files_may_not_go_among_the_images_of_a_dataset(
    client: FlaskClient, dataset: Dataset, address: str
) -> None:
    for path in (dataset.input_path, dataset.input_path + "below/"):
        answer = client.post(address, json={"format": "coco", "output_path": path})
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "path_taken")


def test_a_version_that_is_not_there_cannot_be_exported(
    client: FlaskClient, address: str, unknown_id: Any
) -> None:
    assert client.post(address, json={"format": "coco", "version": str(unknown_id)}).status_code == 404


def test_a_request_sent_twice_with_a_key_starts_one_job(
    client: FlaskClient, sample: Sample, address: str
) -> None:
    answers = [
        client.post(address, json={"format": "coco"}, headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json["id"] for answer in answers}) == 1
