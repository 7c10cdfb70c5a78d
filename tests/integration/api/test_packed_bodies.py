"""Bodies that are not what they seem: packed ones, and forms of nothing but parts."""

import gzip

import pytest
from flask.testing import FlaskClient
from tests.integration.api.inventory import Inventory

from fourpoint_core.store.models import Dataset


@pytest.fixture(autouse=True)
def _nothing_is_stored(dataset: Dataset, inventory: Inventory):
    before = inventory()
    yield
    assert inventory() == before


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity"])
def test_a_packed_body_is_refused(client: FlaskClient, encoding: str) -> None:
    answer = client.post(
        "/v1/datasets",
        data=gzip.compress(b'{"name": "Cats"}'),
        content_type="application/json",
        headers={"Content-Encoding": encoding},
    )
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_a_form_of_very_many_parts_is_refused(client: FlaskClient, dataset: Dataset) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    answer = client.post(
        f"/v1/datasets/{dataset.id}/samples",
        data=part * 50_000 + b"--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")


def test_a_part_with_a_header_without_end_is_refused(client: FlaskClient, dataset: Dataset) -> None:
    answer = client.post(
        f"/v1/datasets/{dataset.id}/samples",
        data=b"--x\r\nContent-Disposition: " + b"a" * 2_000_000,
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code in {413, 422}
    assert answer.json["code"] in {"body_too_large", "invalid_input"}


def test_a_body_that_is_announced_too_long_is_refused_unread(client: FlaskClient) -> None:
    class Unread:
        def read(self, *_: object) -> bytes:
            raise AssertionError("read")

        readline = read

    answer = client.post(
        "/v1/datasets",
        content_type="application/json",
        environ_overrides={"wsgi.input": Unread(), "CONTENT_LENGTH": str(2**31)},
    )
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")
