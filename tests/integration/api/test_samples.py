"""Samples: listed, read, and their bytes."""

import hashlib
import io
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageChops
from tests.factories import image_bytes, make_sample, picture, sideways_jpeg
from tests.fakes import FailingStore
from werkzeug.test import TestResponse

from fourpoint_api.resources.samples import operations
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions

BYTES = image_bytes()


def listed(client: FlaskClient, dataset: Dataset, query: str = "") -> dict:
    answer = client.get(f"/v1/datasets/{dataset.id}/samples{query}")
    assert answer.status_code == 200, answer.json
    return answer.json


def picture_of(answer: TestResponse) -> Image.Image:
    return Image.open(io.BytesIO(answer.data))


# Lists


def test_pages_follow_one_another_to_the_end(client: FlaskClient, dataset: Dataset, sessions: Sessions) -> None:
    made = [str(make_sample(sessions, dataset).id) for _ in range(5)]
    seen, address = [], f"/v1/datasets/{dataset.id}/samples?limit=2"
    while address:
        answer = client.get(address)
        seen += [item["id"] for item in answer.json["items"]]
        address = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == made


def test_the_last_page_has_no_next(client: FlaskClient, dataset: Dataset, sessions: Sessions) -> None:
    for _ in range(2):
        make_sample(sessions, dataset)
    answer = client.get(f"/v1/datasets/{dataset.id}/samples?limit=2")
    assert (answer.json["next_cursor"], "Link" in answer.headers) == (None, False)


def test_what_comes_or_goes_while_paging_shifts_no_page(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    made = [make_sample(sessions, dataset) for _ in range(4)]
    first = listed(client, dataset, "?limit=2")
    with sessions.begin() as session:
        session.delete(session.get_one(Sample, made[0].id))
    late = make_sample(sessions, dataset)
    second = listed(client, dataset, f"?limit=3&cursor={first['next_cursor']}")
    assert [item["id"] for item in second["items"]] == [str(row.id) for row in (*made[2:], late)]


def test_images_of_one_moment_are_all_listed(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, sample: Sample
) -> None:
    for _ in range(4):
        make_sample(sessions, dataset, created_at=sample.created_at)
    first = listed(client, dataset, "?limit=2")
    second = listed(client, dataset, f"?limit=5&cursor={first['next_cursor']}")
    assert len({item["id"] for item in (*first["items"], *second["items"])}) == 5


def test_a_total_is_counted_on_request_and_only_once(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    for count in (0, 0, 1):
        make_sample(sessions, dataset, annotation_count=count)
    answer = client.get(f"/v1/datasets/{dataset.id}/samples?count=exact&limit=1&status=unlabeled")
    assert answer.json["total"] == 2
    assert "count" not in answer.headers["Link"]
    assert "total" not in listed(client, dataset)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=abc", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("status=done", "status"),
        ("count=all", "count"),
        ("cursor=", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=abc.def", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=%ed%a0%80", "cursor"),
        ("colour=red", "colour"),
        ("a%2Fb=1", "a~1b"),
    ],
)
def test_a_bad_query_is_pointed_at(client: FlaskClient, dataset: Dataset, query: str, name: str) -> None:
    answer = client.get(f"/v1/datasets/{dataset.id}/samples?{query}")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, f"?{name}")


def test_a_cursor_cannot_be_changed(client: FlaskClient, dataset: Dataset, sessions: Sessions) -> None:
    for _ in range(2):
        make_sample(sessions, dataset)
    cursor = listed(client, dataset, "?limit=1")["next_cursor"]
    forged = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    answer = client.get(f"/v1/datasets/{dataset.id}/samples?cursor={forged}")
    assert answer.json["errors"][0]["code"] == "cursor_invalid"


def test_a_cursor_belongs_to_its_list(client: FlaskClient, dataset: Dataset, sessions: Sessions) -> None:
    for _ in range(2):
        make_sample(sessions, dataset)
    cursor = listed(client, dataset, "?limit=1")["next_cursor"]
    for other in (f"/v1/datasets/{dataset.id}/samples?status=labeled&cursor=", "/v1/datasets?cursor="):
        assert client.get(other + cursor).json["errors"][0]["code"] == "cursor_invalid"


def test_the_samples_of_an_unknown_dataset_are_not_found(client: FlaskClient, unknown_id: UUID) -> None:
    assert client.get(f"/v1/datasets/{unknown_id}/samples").json["code"] == "not_found"


# One sample


def test_a_sample_is_read(client: FlaskClient, sample: Sample) -> None:
    read = client.get(f"/v1/samples/{sample.id}").json
    assert (read["name"], read["width"], read["height"], read["status"]) == (sample.name, 100, 80, "unlabeled")


def test_who_has_the_sample_is_told_so(client: FlaskClient, sample: Sample) -> None:
    address = f"/v1/samples/{sample.id}"
    tag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("path", ["", "/image", "/thumbnail"])
def test_an_unknown_sample_is_not_found(client: FlaskClient, unknown_id: UUID, path: str) -> None:
    assert client.get(f"/v1/samples/{unknown_id}{path}").json["code"] == "not_found"


# Bytes


def image(client: FlaskClient, sample: Sample, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/v1/samples/{sample.id}/image", headers=named)


def test_the_image_is_sent_as_it_was_stored(client: FlaskClient, sample: Sample) -> None:
    answer = image(client, sample)
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/png", BYTES)
    assert answer.content_length == len(BYTES)


def test_the_image_cannot_be_taken_for_a_page(client: FlaskClient, sample: Sample) -> None:
    assert image(client, sample).headers["X-Content-Type-Options"] == "nosniff"


def test_the_images_head_is_sent_without_its_body(client: FlaskClient, sample: Sample) -> None:
    answer = client.head(f"/v1/samples/{sample.id}/image")
    assert (answer.status_code, answer.data, answer.content_length) == (200, b"", len(BYTES))


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_who_has_the_image_is_told_so(client: FlaskClient, sample: Sample, form: str) -> None:
    tag = image(client, sample).headers["ETag"]
    answer = image(client, sample, If_None_Match=form.format(tag))
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)


def test_who_has_another_image_gets_this_one(client: FlaskClient, sample: Sample) -> None:
    assert image(client, sample, If_None_Match='"other"').status_code == 200


SIZE = len(BYTES)


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=10-", 10, SIZE),
        ("bytes=-10", SIZE - 10, SIZE),
        (f"bytes=-{SIZE * 2}", 0, SIZE),
        (f"bytes=5-{SIZE * 2}", 5, SIZE),
        ("bytes=0-", 0, SIZE),
    ],
)
def test_a_range_is_sent_alone(client: FlaskClient, sample: Sample, wanted: str, start: int, stop: int) -> None:
    answer = image(client, sample, Range=wanted)
    assert (answer.status_code, answer.data) == (206, BYTES[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.content_length == stop - start


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-9", "bytes=abc", "bytes=9-5", "pages=1-2", "bytes", "=", "bytes=-0"]
)
def test_a_range_that_is_none_or_many_gets_the_whole(client: FlaskClient, sample: Sample, wanted: str) -> None:
    answer = image(client, sample, Range=wanted)
    assert (answer.status_code, answer.data) == (200, BYTES)


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}"])
def test_a_range_outside_of_the_file_says_how_long_it_is(
    client: FlaskClient, sample: Sample, wanted: str
) -> None:
    answer = image(client, sample, Range=wanted)
    assert (answer.status_code, answer.json["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


def test_a_range_of_another_image_gets_this_one_whole(client: FlaskClient, sample: Sample) -> None:
    assert image(client, sample, Range="bytes=0-9", If_Range='"other"').data == BYTES


def test_a_range_of_this_image_goes_on(client: FlaskClient, sample: Sample) -> None:
    tag = image(client, sample).headers["ETag"]
    assert image(client, sample, Range="bytes=0-9", If_Range=tag).data == BYTES[:10]


@pytest.mark.parametrize("path", ["image", "thumbnail"])
def test_an_object_that_has_vanished_is_said_to_be_missing(
    client: FlaskClient, sample: Sample, object_store: ObjectStore, path: str
) -> None:
    object_store.delete(sample.object_key)
    answer = client.get(f"/v1/samples/{sample.id}/{path}")
    assert (answer.status_code, answer.json["code"]) == (409, "object_missing")


# Thumbnails


@pytest.mark.parametrize("size", [128, 256, 512])
def test_a_thumbnail_is_as_large_as_asked(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, object_store: ObjectStore, size: int
) -> None:
    data = image_bytes("JPEG", picture(size=(1000, 500)))
    wide = make_sample(sessions, dataset, digest=hashlib.sha256(data).hexdigest())
    object_store.put(wide.object_key, data, content_type="image/jpeg")
    answer = client.get(f"/v1/samples/{wide.id}/thumbnail?size={size}")
    assert (answer.mimetype, picture_of(answer).size) == ("image/jpeg", (size, size // 2))


def test_a_small_image_is_not_blown_up(client: FlaskClient, sample: Sample) -> None:
    assert picture_of(client.get(f"/v1/samples/{sample.id}/thumbnail")).size == (100, 80)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_thumbnail_is_upright(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, object_store: ObjectStore, orientation: int
) -> None:
    data = sideways_jpeg(orientation)
    turned = make_sample(sessions, dataset, digest=hashlib.sha256(data).hexdigest())
    object_store.put(turned.object_key, data, content_type="image/jpeg")
    shown = picture_of(client.get(f"/v1/samples/{turned.id}/thumbnail"))
    assert shown.size == ((100, 80) if orientation < 5 else (80, 100))


@pytest.mark.parametrize("size", ["64", "0", "big", "256.0"])
def test_a_thumbnail_comes_in_three_sizes(client: FlaskClient, sample: Sample, size: str) -> None:
    answer = client.get(f"/v1/samples/{sample.id}/thumbnail?size={size}")
    assert answer.json["errors"][0]["pointer"] == "?size"


def test_a_thumbnail_is_made_once(client: FlaskClient, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get(f"/v1/samples/{sample.id}/thumbnail")
    monkeypatch.setattr(Decoder, "thumbnail", lambda *_: pytest.fail("made again"))
    again = client.get(f"/v1/samples/{sample.id}/thumbnail")
    assert (again.data, again.headers["ETag"]) == (first.data, first.headers["ETag"])


def test_images_of_the_same_content_share_their_thumbnail(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, object_store: ObjectStore
) -> None:
    twin = make_sample(sessions, dataset, object_store)
    for row in (sample, twin):
        client.get(f"/v1/samples/{row.id}/thumbnail")
    assert len(list(object_store.list("derived/"))) == 1


def test_who_has_the_thumbnail_is_told_so(client: FlaskClient, sample: Sample) -> None:
    address = f"/v1/samples/{sample.id}/thumbnail"
    tag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304


def test_a_thumbnail_that_cannot_be_kept_is_shown_all_the_same(
    object_store: ObjectStore, sample: Sample, sessions: Sessions, decoder: Decoder
) -> None:
    assert operations.thumbnail(sessions, FailingStore(object_store, 1), decoder, sample, 128).startswith(
        b"\xff\xd8"
    )


def test_a_thumbnail_looks_like_its_image(client: FlaskClient, sample: Sample) -> None:
    shown = picture_of(client.get(f"/v1/samples/{sample.id}/thumbnail")).convert("RGB")
    extremes = ImageChops.difference(shown, picture()).getextrema()
    assert max(high for _, high in extremes) < 16
