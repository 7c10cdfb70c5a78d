"""Uploading images: told apart by content, all of them or none, and nothing lost or orphaned."""

import hashlib
import io
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.factories import bomb_png, image_bytes, make_token, padded_png, picture, sideways_jpeg
from tests.fakes import FailingStore
from tests.integration.api.inventory import Inventory
from werkzeug.test import TestResponse

from fourpoint_api.app import create_app
from fourpoint_api.clients import Clients
from fourpoint_api.resources.samples import uploads
from fourpoint_core.errors import StorageUnavailableError
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, UploadIntent
from fourpoint_core.store.queries import datasets
from fourpoint_core.store.session import Sessions, unit_of_work

MEBIBYTE = 2**20
File = tuple[str, bytes]


def upload(client: FlaskClient, dataset: Dataset, *files: File) -> TestResponse:
    form = {"files": [(io.BytesIO(data), name) for name, data in files]}
    return client.post(f"/v1/datasets/{dataset.id}/samples", data=form)


def names(answer: TestResponse) -> list[str]:
    assert answer.status_code == 201, answer.json
    return [item["name"] for item in answer.json["items"]]


def refused(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


# What is taken

ANIMATION = image_bytes("PNG", save_all=True, append_images=[picture(), picture().rotate(90)])
IMAGES = {
    "JPEG": image_bytes("JPEG"),
    "progressive JPEG": image_bytes("JPEG", progressive=True),
    "grey JPEG": image_bytes("JPEG", picture("L")),
    "CMYK JPEG": image_bytes("JPEG", picture("CMYK")),
    "MPO of a phone": image_bytes("MPO", save_all=True, append_images=[picture()]),
    "PNG": image_bytes("PNG"),
    "16-bit PNG": image_bytes("PNG", picture("I;16")),
    "palette PNG": image_bytes("PNG", picture("P")),
    "palette PNG with a clear colour": image_bytes("PNG", picture("P"), transparency=0),
    "PNG with alpha": image_bytes("PNG", picture("RGBA")),
    "grey PNG with alpha": image_bytes("PNG", picture("LA")),
    "one-bit PNG": image_bytes("PNG", picture("1")),
    "animated PNG": ANIMATION,
    "BMP": image_bytes("BMP"),
    "grey BMP": image_bytes("BMP", picture("L")),
    "palette BMP": image_bytes("BMP", picture("P")),
    "one-bit BMP": image_bytes("BMP", picture("1")),
    "32-bit BMP": image_bytes("BMP", picture("RGBA")),
    "one pixel": image_bytes("PNG", picture(size=(1, 1))),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_of_any_kind_is_stored_byte_for_byte(
    client: FlaskClient, dataset: Dataset, object_store: ObjectStore, kind: str
) -> None:
    data = IMAGES[kind]
    answer = upload(client, dataset, ("photo", data))
    assert answer.status_code == 201, answer.json
    (item,) = answer.json["items"]
    assert object_store.read(item["object_key"]) == data
    assert (item["digest"], item["size_bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_of_any_kind_has_a_thumbnail(client: FlaskClient, dataset: Dataset, kind: str) -> None:
    (item,) = upload(client, dataset, ("photo", IMAGES[kind])).json["items"]
    assert client.get(f"/v1/samples/{item['id']}/thumbnail").mimetype == "image/jpeg"


@pytest.mark.parametrize(
    ("kind", "media_type", "name"),
    [("JPEG", "image/jpeg", "a.jpg"), ("PNG", "image/png", "a.png"), ("BMP", "image/bmp", "a.bmp")],
)
def test_the_content_says_what_an_image_is(
    client: FlaskClient, dataset: Dataset, kind: str, media_type: str, name: str
) -> None:
    (item,) = upload(client, dataset, ("a", image_bytes(kind))).json["items"]
    assert (item["media_type"], item["name"]) == (media_type, name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_image(client: FlaskClient, dataset: Dataset, orientation: int) -> None:
    (item,) = upload(client, dataset, ("a.jpg", sideways_jpeg(orientation))).json["items"]
    assert (item["width"], item["height"]) == ((100, 80) if orientation < 5 else (80, 100))


def test_a_file_of_just_the_limit_is_taken(client: FlaskClient, dataset: Dataset) -> None:
    assert names(upload(client, dataset, ("a.png", padded_png(5 * MEBIBYTE)))) == ["a.png"]


def test_a_batch_of_just_the_limit_is_taken(client: FlaskClient, dataset: Dataset) -> None:
    files = [("a.png", padded_png(4 * MEBIBYTE)), ("b.png", padded_png(4 * MEBIBYTE))]
    assert len(names(upload(client, dataset, *files))) == 2


def test_the_answer_keeps_the_order_and_the_names_of_the_files(client: FlaskClient, dataset: Dataset) -> None:
    sent = ["zebra.png", "ape.png", "mouse.png"]
    answer = upload(client, dataset, *((name, image_bytes()) for name in sent))
    assert [item["original_name"] for item in answer.json["items"]] == names(answer) == sent


def test_the_list_shows_images_in_the_order_they_were_sent(client: FlaskClient, dataset: Dataset) -> None:
    sent = ["zebra.png", "ape.png", "mouse.png"]
    upload(client, dataset, *((name, image_bytes()) for name in sent))
    listed = client.get(f"/v1/datasets/{dataset.id}/samples").json["items"]
    assert [item["name"] for item in listed] == sent


# Names


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("../../etc/passwd.png", "passwd.png"),
        ("..\\..\\boot.png", "boot.png"),
        ("/absolute.png", "absolute.png"),
        ("a\x01b\x7f.png", "a_b_.png"),
        ("...", "image.png"),
        (".htaccess", "htaccess.png"),
        ("cat.jpg", "cat.jpg.png"),
        ("cat.PNG", "cat.PNG"),
        ("cat.png.exe", "cat.png.exe.png"),
        ("NUL.png", "_NUL.png"),
        ("com1.tar.png", "_com1.tar.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("\N{CAT FACE}.png", "\N{CAT FACE}.png"),
        ("gnp.\u202eexe.png", "gnp._exe.png"),
        ("<script>.png", "_script_.png"),
        (" spaces .png", "spaces.png"),
        ("x" * 300 + ".png", "x" * 150 + ".png"),
        ("\N{CAT FACE}" * 80 + ".png", "\N{CAT FACE}" * 37 + ".png"),
    ],
)
def test_names_are_made_safe(client: FlaskClient, dataset: Dataset, given: str, stored: str) -> None:
    (item,) = upload(client, dataset, (given, image_bytes())).json["items"]
    assert (item["name"], item["object_key"]) == (stored, dataset.input_path + stored)


def test_a_name_given_twice_in_a_batch_loses_nothing(
    client: FlaskClient, dataset: Dataset, object_store: ObjectStore
) -> None:
    red, grey = image_bytes("PNG", picture("RGB")), image_bytes("PNG", picture("L"))
    answer = upload(client, dataset, ("a.png", red), ("a.png", grey))
    assert names(answer) == ["a.png", "a-2.png"]
    assert [object_store.read(item["object_key"]) for item in answer.json["items"]] == [red, grey]


def test_a_name_given_again_later_loses_nothing(client: FlaskClient, dataset: Dataset) -> None:
    assert [names(upload(client, dataset, ("a.png", image_bytes())))[0] for _ in range(3)] == [
        "a.png",
        "a-2.png",
        "a-3.png",
    ]


def test_a_name_given_for_the_hundredth_time_is_not_counted_up_to(
    client: FlaskClient, dataset: Dataset, object_store: ObjectStore
) -> None:
    for number in range(1, 101):
        name = "image.png" if number == 1 else f"image-{number}.png"
        object_store.put(dataset.input_path + name, b"x", content_type="image/png")
    (name,) = names(upload(client, dataset, ("image.png", image_bytes())))
    assert name != "image-101.png"


def test_the_same_bytes_under_two_names_keep_their_order(
    sessions: Sessions, object_store: ObjectStore, api_clients: Clients, dataset: Dataset
) -> None:
    data = image_bytes()
    files = [uploads.UploadedFile(name, data) for name in ("b.png", "a.png", "b.png")]
    held = api_clients
    rows = uploads.upload(
        sessions, object_store, held.decoder, held.settings, dataset.id, files, dataset.created_by, lambda: None
    )
    assert [row.sample.name for row in rows] == ["b.png", "a.png", "b-2.png"]


def test_somebody_elses_object_of_that_name_is_left_alone(
    client: FlaskClient, dataset: Dataset, object_store: ObjectStore, inventory: Inventory
) -> None:
    object_store.put(dataset.input_path + "a.png", b"theirs", content_type="image/png")
    assert names(upload(client, dataset, ("a.png", image_bytes()))) == ["a-2.png"]
    assert object_store.read(dataset.input_path + "a.png") == b"theirs"
    assert inventory.rows()["upload_intents"] == 0


def test_uploads_at_once_under_one_name_lose_nothing(
    client: FlaskClient, dataset: Dataset, inventory: Inventory
) -> None:
    answers: list[TestResponse] = []
    threads = [
        threading.Thread(target=lambda: answers.append(upload(client, dataset, ("a.png", image_bytes()))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(answer)[0] for answer in answers) == ["a-2.png", "a-3.png", "a-4.png", "a.png"]
    assert len(inventory.objects()) == 4


# What is refused

GIF = image_bytes("GIF", picture("P"))
NOISE = image_bytes("JPEG", picture().effect_spread(40))
REFUSED: dict[str, tuple[File, int, str]] = {
    "a GIF named .jpg": (("a.jpg", GIF), 415, "image_format_unsupported"),
    "a WebP": (("a.png", image_bytes("WEBP")), 415, "image_format_unsupported"),
    "a TIFF": (("a.png", image_bytes("TIFF")), 415, "image_format_unsupported"),
    "text": (("a.png", b"hello"), 415, "image_format_unsupported"),
    "nothing": (("a.png", b""), 415, "image_format_unsupported"),
    "a truncated PNG": (("a.png", image_bytes("PNG")[:-40]), 422, "image_damaged"),
    "a PNG without pixels": (("a.png", image_bytes("PNG")[:33]), 422, "image_damaged"),
    "the first bytes of a PNG": (("a.png", image_bytes("PNG")[:10]), 422, "image_damaged"),
    "a truncated JPEG": (("a.jpg", NOISE[: len(NOISE) // 2]), 422, "image_damaged"),
    "the first bytes of a JPEG": (("a.jpg", NOISE[:12]), 422, "image_damaged"),
    "a truncated BMP": (("a.bmp", image_bytes("BMP")[:-500]), 422, "image_damaged"),
    "a damaged PNG": (("a.png", image_bytes("PNG").replace(b"IDAT", b"IDAX")), 422, "image_damaged"),
    "a bomb": (("a.png", bomb_png()), 422, "image_too_many_pixels"),
    "a byte too many": (("a.png", padded_png(5 * MEBIBYTE + 1)), 413, "file_too_large"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_file_is_refused_and_nothing_is_stored(
    client: FlaskClient, dataset: Dataset, inventory: Inventory, what: str
) -> None:
    file, status, code = REFUSED[what]
    before = inventory()
    answer = upload(client, dataset, ("good.png", image_bytes()), file)
    assert refused(answer) == (status, code)
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [("/files/1", code)]
    assert inventory() == before


def test_files_bad_in_different_ways_are_all_named(
    client: FlaskClient, dataset: Dataset, inventory: Inventory
) -> None:
    before = inventory()
    answer = upload(client, dataset, ("a.gif", GIF), ("good.png", image_bytes()), ("c.png", bomb_png()))
    assert refused(answer) == (422, "upload_refused")
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [
        ("/files/0", "image_format_unsupported"),
        ("/files/2", "image_too_many_pixels"),
    ]
    assert inventory() == before


def test_a_batch_a_byte_too_large_is_refused(
    client: FlaskClient, dataset: Dataset, inventory: Inventory
) -> None:
    before = inventory()
    files = [("a.png", padded_png(4 * MEBIBYTE)), ("b.png", padded_png(4 * MEBIBYTE + 1))]
    assert refused(upload(client, dataset, *files)) == (413, "batch_too_large")
    assert inventory() == before


def test_a_batch_far_too_large_is_refused_before_it_is_read(client: FlaskClient, dataset: Dataset) -> None:
    body = io.BytesIO(bytes(10))
    answer = client.post(
        f"/v1/datasets/{dataset.id}/samples",
        input_stream=body,
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"CONTENT_LENGTH": str(2**40)},
    )
    assert refused(answer) == (413, "batch_too_large")
    assert body.tell() == 0


def test_a_batch_that_hides_its_length_is_refused(
    client: FlaskClient, dataset: Dataset, inventory: Inventory
) -> None:
    before = inventory()
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + image_bytes()
    answer = client.post(
        f"/v1/datasets/{dataset.id}/samples",
        input_stream=io.BytesIO(part + b"\r\n" + part + bytes(10 * MEBIBYTE)),
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert refused(answer) == (413, "body_too_large")
    assert inventory() == before


def test_more_files_than_allowed_are_refused(client: FlaskClient, dataset: Dataset) -> None:
    answer = upload(client, dataset, *[("a.png", b"x")] * (uploads.MAX_FILES + 1))
    assert answer.json["errors"][0]["code"] == "files_count"


@pytest.mark.parametrize(
    ("form", "pointer", "code"),
    [
        ({}, "/files", "files_count"),
        ({"files": "text"}, "/files", "files_count"),
        ({"photo": (io.BytesIO(b"x"), "a.png")}, "/photo", "unknown_field"),
        ({"a/b": "x"}, "/a~1b", "unknown_field"),
    ],
)
def test_a_form_without_files_is_refused(
    client: FlaskClient, dataset: Dataset, form: dict[str, object], pointer: str, code: str
) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/samples", data=form, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert (answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (pointer, code)


@pytest.mark.parametrize("content_type", ["image/png", "application/json", "application/octet-stream", ""])
def test_a_body_that_is_no_form_is_refused(client: FlaskClient, dataset: Dataset, content_type: str) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/samples", data=image_bytes(), content_type=content_type)
    assert refused(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"", b"--x", b"--x\r\n\r\n", b"--x--", b"nonsense"])
def test_a_broken_form_is_refused(client: FlaskClient, dataset: Dataset, body: bytes) -> None:
    answer = client.post(
        f"/v1/datasets/{dataset.id}/samples", data=body, content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code in {400, 422}


def test_a_form_without_a_boundary_is_refused(client: FlaskClient, dataset: Dataset) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/samples", data=b"x", content_type="multipart/form-data")
    assert answer.status_code in {400, 422}


def test_an_unknown_dataset_takes_no_images(
    client: FlaskClient, dataset: Dataset, unknown_id: object, inventory: Inventory
) -> None:
    before = inventory()
    dataset.id = unknown_id
    assert refused(upload(client, dataset, ("a.png", image_bytes()))) == (404, "not_found")
    assert inventory() == before


# What goes wrong on the way


def with_store(clients: Clients, store: object) -> FlaskClient:
    client = create_app(replace(clients, store=store)).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {make_token(clients.sessions)}"
    return client


FILES: Sequence[File] = [("a.png", image_bytes()), ("b.png", image_bytes()), ("c.png", image_bytes())]


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_a_store_that_fails_halfway_is_left_as_it_was(
    api_clients: Clients, dataset: Dataset, object_store: ObjectStore, inventory: Inventory, fail_at: int
) -> None:
    broken = with_store(api_clients, FailingStore(object_store, fail_at))
    assert refused(upload(broken, dataset, *FILES)) == (503, "storage_unavailable")
    assert inventory.objects() == []
    assert inventory.rows()["samples"] == 0


def test_a_write_that_may_have_happened_is_left_to_the_sweep(
    api_clients: Clients, dataset: Dataset, object_store: ObjectStore, sessions: Sessions
) -> None:
    upload(with_store(api_clients, FailingStore(object_store, 2)), dataset, *FILES)
    with unit_of_work(sessions) as session:
        assert session.scalars(select(UploadIntent.object_key)).all() == [dataset.input_path + "b.png"]


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


def test_a_process_killed_between_writes_leaves_promises_for_the_sweep(
    api_clients: Clients, dataset: Dataset, object_store: ObjectStore, inventory: Inventory, sessions: Sessions
) -> None:
    broken = with_store(api_clients, FailingStore(object_store, 3, Killed()))
    with pytest.raises(Killed):
        upload(broken, dataset, *FILES)
    with unit_of_work(sessions) as session:
        promised = session.scalars(select(UploadIntent.object_key)).all()
    assert set(inventory.objects()) < set(promised)
    assert inventory.rows()["samples"] == 0


class LateObject:
    """A bucket in which somebody else's object appears just before ours is written."""

    def __init__(self, store: ObjectStore):
        self._store = store

    def put(self, key: str, data: bytes, **options: object) -> object:
        if key.endswith("b.png"):
            self._store.put(key, b"theirs", content_type="image/png")
        return self._store.put(key, data, **options)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_an_object_that_appears_meanwhile_is_never_taken_for_ours(
    api_clients: Clients, dataset: Dataset, object_store: ObjectStore, inventory: Inventory
) -> None:
    answer = upload(with_store(api_clients, LateObject(object_store)), dataset, *FILES)
    assert refused(answer) == (503, "storage_unavailable")
    assert inventory.objects() == [dataset.input_path + "b.png"]
    assert inventory.rows()["upload_intents"] == 0


class Meanwhile:
    """A store during whose first write something else happens."""

    def __init__(self, store: ObjectStore, event: object):
        self._store = store
        self._event = event

    def put(self, key: str, data: bytes, **options: object) -> object:
        written = self._store.put(key, data, **options)
        self._event()
        return written

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_a_dataset_deleted_meanwhile_takes_no_images(
    api_clients: Clients, dataset: Dataset, object_store: ObjectStore, inventory: Inventory, sessions: Sessions
) -> None:
    def delete_dataset() -> None:
        with unit_of_work(sessions) as session:
            datasets.mark_deleted(session, dataset)

    late = with_store(api_clients, Meanwhile(object_store, delete_dataset))
    assert refused(upload(late, dataset, ("a.png", image_bytes()))) == (404, "not_found")
    assert inventory.objects() == []
    assert inventory.rows()["upload_intents"] == 0


def test_an_upload_that_the_sweep_took_back_is_not_half_there(
    api_clients: Clients, dataset: Dataset, object_store: ObjectStore, inventory: Inventory, sessions: Sessions
) -> None:
    def sweep() -> None:
        with unit_of_work(sessions) as session:
            session.execute(UploadIntent.__table__.delete())

    slow = with_store(api_clients, Meanwhile(object_store, sweep))
    assert refused(upload(slow, dataset, *FILES)) == (503, "storage_unavailable")
    assert inventory.rows()["samples"] == 0


def test_a_failing_store_says_when_to_come_again(
    api_clients: Clients, dataset: Dataset, object_store: ObjectStore
) -> None:
    away = FailingStore(object_store, 1, StorageUnavailableError("The bucket does not answer."))
    answer = upload(with_store(api_clients, away), dataset, *FILES)
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["detail"] == "The bucket does not answer."


def test_parts_without_a_name_are_refused(client: FlaskClient, dataset: Dataset) -> None:
    parts = (
        b"--x\r\nContent-Disposition: form-data" + name + b"\r\n\r\n1\r\n" for name in (b"", b"; name=other")
    )
    answer = client.post(
        f"/v1/datasets/{dataset.id}/samples",
        data=b"".join(parts) + b"--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )
    assert refused(answer) == (422, "invalid_input")
