"""What would become of an upload, said before anything is stored."""

import base64
import io
import sys
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from tests.factories import DAMAGED_PALETTES, bomb_png, image_bytes, make_sample, padded_png, sideways_jpeg
from tests.integration.api.checked_client import CheckedClient
from tests.integration.api.inventory import Inventory

from fourpoint_api.app import create_app
from fourpoint_api.clients import Clients
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.imaging.inspect import ImageFacts
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions

MEBIBYTE = 2**20
File = tuple[str, bytes]


def report(client: FlaskClient, dataset: Dataset, *files: File) -> Any:
    form = {"files": [(io.BytesIO(data), name) for name, data in files]}
    answer = client.post(f"/v1/datasets/{dataset.id}/samples?validate_only=true", data=form)
    assert answer.status_code == 200, answer.json
    return answer.json


def test_nothing_is_stored(client: FlaskClient, dataset: Dataset, inventory: Inventory) -> None:
    before = inventory()
    assert report(client, dataset, ("a.png", image_bytes()))["acceptable"]
    assert inventory() == before


def test_a_file_is_described_as_it_would_be_stored(client: FlaskClient, dataset: Dataset) -> None:
    data = sideways_jpeg(6)
    (found,) = report(client, dataset, ("../photo.png", data))["files"]
    assert (found["name"], found["media_type"]) == ("photo.png.jpg", "image/jpeg")
    assert (found["width"], found["height"], found["size_bytes"]) == (80, 100, len(data))
    assert found["error"] is None


def test_the_thumbnail_is_a_small_upright_picture(client: FlaskClient, dataset: Dataset) -> None:
    (found,) = report(client, dataset, ("a.jpg", sideways_jpeg(6, (1000, 500))))["files"]
    kind, _, data = found["thumbnail"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 128)


def test_names_that_are_taken_give_way(
    client: FlaskClient, dataset: Dataset, object_store: ObjectStore
) -> None:
    object_store.put(f"{dataset.input_path}a.png", b"somebody's", content_type="image/png")
    files = report(client, dataset, ("a.png", image_bytes()), ("a.png", image_bytes()))["files"]
    assert [found["name"] for found in files] == ["a-2.png", "a-3.png"]


def test_the_names_are_those_that_the_upload_then_gives(client: FlaskClient, dataset: Dataset) -> None:
    sent = [("a.png", image_bytes()), ("a.png", image_bytes()), ("con.bmp", image_bytes("BMP"))]
    foreseen = [found["name"] for found in report(client, dataset, *sent)["files"]]
    form = {"files": [(io.BytesIO(data), name) for name, data in sent]}
    stored = client.post(f"/v1/datasets/{dataset.id}/samples", data=form).json["items"]
    assert [item["name"] for item in stored] == foreseen


def test_images_of_the_dataset_with_the_same_bytes_are_named(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    found, other = report(client, dataset, ("a.png", image_bytes()), ("b.bmp", image_bytes("BMP")))["files"]
    assert found["duplicates"] == [{"sample_id": str(sample.id), "name": sample.name}]
    assert other["duplicates"] == []


def test_files_of_the_same_upload_with_the_same_bytes_are_named(client: FlaskClient, dataset: Dataset) -> None:
    sent = [("a.png", image_bytes()), ("b.bmp", image_bytes("BMP")), ("c.png", image_bytes())]
    assert [found["same_as"] for found in report(client, dataset, *sent)["files"]] == [[], [], [0]]


def test_an_image_in_the_trash_is_no_duplicate(client: FlaskClient, dataset: Dataset, sample: Sample) -> None:
    client.post(f"/v1/datasets/{dataset.id}/samples/delete", json={"ids": [str(sample.id)]})
    assert report(client, dataset, ("a.png", image_bytes()))["files"][0]["duplicates"] == []


def test_of_many_duplicates_some_are_named(client: FlaskClient, dataset: Dataset, sessions: Sessions) -> None:
    for _ in range(12):
        make_sample(sessions, dataset)
    assert len(report(client, dataset, ("a.png", image_bytes()))["files"][0]["duplicates"]) == 10


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image_format_unsupported"),
        (b"GIF89a", "image_format_unsupported"),
        (image_bytes()[:-40], "image_damaged"),
        *((data, "image_damaged") for data in DAMAGED_PALETTES.values()),
        (bomb_png(), "image_too_many_pixels"),
        (padded_png(5 * MEBIBYTE + 1), "file_too_large"),
    ],
)
def test_a_bad_file_is_told_beside_the_good_ones(
    client: FlaskClient, dataset: Dataset, data: bytes, code: str
) -> None:
    found = report(client, dataset, ("good.png", image_bytes()), ("bad.png", data))
    good, bad = found["files"]
    assert (bad["error"]["code"], bad["error"]["pointer"]) == (code, "/files/1")
    assert (good["error"], found["acceptable"]) == (None, False)


def test_a_file_of_which_no_thumbnail_can_be_made_is_told_beside_the_good_ones(
    client: FlaskClient, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the look at the file has missed."""
    monkeypatch.setattr(Decoder, "facts", lambda *_: ImageFacts("image/png", 4, 4))
    found = report(client, dataset, ("bad.png", image_bytes()[:-40]), ("good.png", image_bytes()))
    bad, good = found["files"]
    assert (bad["error"]["code"], bad["error"]["pointer"]) == ("image_damaged", "/files/0")
    assert (good["error"], found["acceptable"]) == (None, False)


# Dies of a segmentation fault over one image, and of others knows the first thing that comes to its mind.
_BUGGY = """
import ctypes, sys
from fourpoint_core.imaging import decoding_child, inspect

def buggy(data, max_pixels):
    return ctypes.string_at(0) if data == b"segfault" else inspect.ImageFacts("image/png", 4, 4)

inspect.inspect_image = buggy
decoding_child.main(sys.argv[1:])
"""


def test_a_file_that_crashes_the_decoder_is_told_beside_the_good_ones(
    api_clients: Clients, admin_token: str, dataset: Dataset
) -> None:
    buggy = Decoder(1, 2**30, 60, (sys.executable, "-c", _BUGGY))
    client = CheckedClient(create_app(replace(api_clients, decoder=buggy)), admin_token)
    sent = [("a.png", image_bytes()), ("bad.png", b"segfault"), ("b.png", image_bytes())]
    found = report(client, dataset, *sent)
    refused = [file["error"] and file["error"]["code"] for file in found["files"]]
    assert refused == [None, "image_damaged", None]
    assert "could not be decoded" in found["files"][1]["error"]["detail"]
    form = {"files": [(io.BytesIO(data), name) for name, data in sent]}
    answer = client.post(f"/v1/datasets/{dataset.id}/samples", data=form)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/files/1")
    buggy.close()


def test_files_that_are_too_much_together_are_still_described(client: FlaskClient, dataset: Dataset) -> None:
    sent = [("a.png", padded_png(4 * MEBIBYTE)), ("b.png", padded_png(4 * MEBIBYTE + 1))]
    found = report(client, dataset, *sent)
    assert [error["code"] for error in found["errors"]] == ["batch_too_large"]
    assert (found["acceptable"], len(found["files"])) == (False, 2)


def test_an_upload_names_what_was_there_with_the_same_bytes(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    form = {"files": [(io.BytesIO(image_bytes()), "a.png")]}
    (item,) = client.post(f"/v1/datasets/{dataset.id}/samples", data=form).json["items"]
    assert item["duplicates"] == [{"sample_id": str(sample.id), "name": sample.name}]
