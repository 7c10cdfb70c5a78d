"""The Python client: it is what the contract says, and does what a labeling program needs."""

import asyncio
import math
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw
from tests.clients.conftest import ROOT

from fourpoint_client import (
    AsyncClient,
    Client,
    ConflictError,
    InvalidError,
    NotFoundError,
    ProblemError,
    Progress,
    Retrying,
    StaleError,
    UnauthenticatedError,
    calls,
)
from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.clients

PACKAGE = ROOT / "clients" / "python" / "fourpoint_client"
DISC: dict[str, Any] = {"top": (60, 20), "bottom": (60, 100), "left": (20, 60), "right": (100, 60)}
TRIANGLE: Any = {"parts": [{"outer": [(10, 10), (90, 10), (50, 80)]}]}
SWIFT = Retrying(attempts=4, first_pause=0.001, longest_pause=0.005)


class Wire(httpx.HTTPTransport):
    """Carries requests to the service and remembers them; `instead` makes an answer or an error of its own."""

    def __init__(
        self, instead: Callable[[int, httpx.Response], httpx.Response] = lambda number, answer: answer
    ):
        super().__init__()
        self.sent: list[httpx.Request] = []
        self._instead = instead

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        answer = super().handle_request(request)
        answer.read()
        return self._instead(len(self.sent), answer)


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.base_url, stack.admin_token) as speaking:
        yield speaking


@pytest.fixture
def dataset_id(client: Client) -> str:
    return client.call(calls.create_dataset({"name": f"Python {uuid.uuid4()}"}))["id"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three discs of different shades, and a file that is no image."""
    for shade in range(3):
        image = Image.new("RGB", (120, 120), (40, 50, 60))
        ImageDraw.Draw(image).ellipse((20, 20, 100, 100), fill=(200, 180, 60 + shade))
        image.save(tmp_path / f"{shade}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


@pytest.fixture
def sample_id(client: Client, dataset_id: str, folder: Path) -> str:
    (sample,) = client.upload(dataset_id, folder / "0.png")
    return sample["id"]


def losing(count: int) -> Wire:
    """A wire that loses the first answers, as a broken connection does."""

    def lose(number: int, answer: httpx.Response) -> httpx.Response:
        if number <= count:
            raise httpx.ReadError("lost")
        return answer

    return Wire(lose)


def test_what_is_generated_is_what_the_contract_says(tmp_path: Path) -> None:
    program = [ROOT / ".venv-clients/bin/python", ROOT / "clients/python/tools/generate.py"]
    subprocess.run([*program, ROOT / "openapi" / "openapi.json", tmp_path], check=True)
    for name in ("models.py", "calls.py"):
        assert (tmp_path / name).read_text() == (PACKAGE / name).read_text()


def test_four_clicks_become_an_outline_and_the_outline_a_label(client: Client, sample_id: str) -> None:
    outline = client.click(sample_id, **DISC)
    assert outline["area"] == pytest.approx(math.pi * 40**2, rel=0.05)
    opened = client.open(sample_id)
    saved = client.save(opened, [{"contour_id": outline["contour_id"], "label": "disc"}])
    assert [one["contour"] for one in saved.document["annotations"]] == [outline["contour"]]
    assert saved.etag != opened.etag


def test_an_outline_is_waited_for_when_no_request_is_held(client: Client, sample_id: str) -> None:
    assert client.click(sample_id, **DISC, wait_seconds=0)["vertices"] >= 8


def test_four_clicks_with_a_label_are_saved_at_once(client: Client, sample_id: str) -> None:
    outline = client.click(sample_id, **DISC, label="disc")
    (saved,) = client.open(sample_id).document["annotations"]
    assert (saved["contour"], saved["label"]["name"]) == (outline["contour"], "disc")


def test_a_folder_is_uploaded_with_its_progress(client: Client, dataset_id: str, folder: Path) -> None:
    heard: list[Progress] = []
    stored = client.upload(dataset_id, folder, heard.append)
    assert [sample["name"] for sample in stored] == ["0.png", "1.png", "2.png"]
    assert (heard[-1].files_done, heard[-1].bytes_done) == (3, heard[-1].bytes)


def test_what_is_too_much_for_one_request_goes_in_several(
    client: Client, dataset_id: str, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        noise = Image.effect_noise((1800, 1800), 100)
        noise.save(tmp_path / name, compress_level=0)
    heard: list[Progress] = []
    stored = client.upload(dataset_id, tmp_path, heard.append)
    assert [progress.files_done for progress in heard] == [2, 3]
    assert [sample["name"] for sample in stored] == ["a.png", "b.png", "c.png"]


def test_an_export_is_downloaded_and_imported_into_another_dataset(
    client: Client, dataset_id: str, folder: Path, tmp_path: Path
) -> None:
    for sample in client.upload(dataset_id, folder):
        client.click(sample["id"], **DISC, label="disc")
    seen: list[str] = []
    job = client.call(calls.create_export(dataset_id, {"format": "coco", "with_images": True}))
    made = client.wait(job, lambda now: seen.append(now["state"]))["result"]
    assert made is not None and seen[-1] == "succeeded"
    export = client.call(calls.get_export(dataset_id, made["export_id"]))
    assert export["download"] is not None
    client.download(export["download"]["url"], tmp_path / "labels.zip")
    other = client.call(calls.create_dataset({"name": f"Copy {uuid.uuid4()}"}))["id"]
    sent = client.hand_over(other, tmp_path / "labels.zip")
    client.wait(client.call(calls.create_import(other, {"format": "coco", "upload_id": sent["id"]})))
    assert [sample["annotation_count"] for sample in client.items(calls.list_samples(other))] == [1, 1, 1]


def test_a_list_is_read_to_its_end_page_after_page(client: Client, dataset_id: str, folder: Path) -> None:
    client.upload(dataset_id, folder)
    listed = client.items(calls.list_samples(dataset_id, limit=1, sort="-name", count="exact"))
    assert [sample["name"] for sample in listed] == ["2.png", "1.png", "0.png"]


def test_who_saves_second_is_told_what_has_happened(client: Client, sample_id: str) -> None:
    opened = client.open(sample_id)
    first = client.save(opened, [{"contour": TRIANGLE, "label": "cat"}])
    with pytest.raises(StaleError) as refused:
        client.save(opened, [{"contour": TRIANGLE, "label": "dog"}])
    assert refused.value.current_etag == first.etag
    assert refused.value.changes is not None
    assert refused.value.changes["added"] == [first.document["annotations"][0]["id"]]


def test_what_is_refused_is_an_exception_with_a_place_and_a_request_to_quote(
    client: Client, sample_id: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        client.click(sample_id, **{**DISC, "top": (60, -1)})
    assert refused.value.code == "invalid_input"
    place = refused.value.at("/points/top")
    assert place is not None
    assert place["code"] == "outside_image"
    assert refused.value.request_id


def test_refusals_can_be_told_apart_by_their_class(stack: Stack, client: Client) -> None:
    with pytest.raises(UnauthenticatedError), Client(stack.base_url) as stranger:
        stranger.call(calls.get_me())
    with pytest.raises(NotFoundError):
        client.call(calls.get_dataset(str(uuid.uuid4())))


def test_a_job_that_fails_raises_what_went_wrong(client: Client, sample_id: str) -> None:
    for label in ("disc", "other"):
        order: Any = {"points": DISC, "save": "document", "label": label, "annotation_id": sample_id}
        job: Any = client.call(calls.infer_contour(sample_id, order))
        if label == "disc":
            assert client.wait(job)["state"] == "succeeded"
    with pytest.raises(ProblemError) as failed:
        client.wait(job)
    assert (failed.value.code, failed.value.job_id) == ("id_taken", job["id"])


def test_a_post_whose_answer_was_lost_has_one_effect(stack: Stack, client: Client) -> None:
    wire, name = losing(2), f"once {uuid.uuid4()}"
    with Client(stack.base_url, stack.admin_token, retrying=SWIFT, transport=wire) as unlucky:
        made = unlucky.call(calls.create_dataset({"name": name}))
    assert len(wire.sent) == 3
    assert len({request.headers["Idempotency-Key"] for request in wire.sent}) == 1
    assert [one["id"] for one in client.items(calls.list_datasets(name_contains=name))] == [made["id"]]


def test_a_save_whose_answer_was_lost_is_no_one_elses(stack: Stack, client: Client, sample_id: str) -> None:
    opened = client.open(sample_id)
    with Client(stack.base_url, stack.admin_token, retrying=SWIFT, transport=losing(2)) as unlucky:
        saved = unlucky.save(opened, [{"contour": TRIANGLE, "label": "cat"}])
    assert saved == client.open(sample_id)
    assert saved.document["revision"] == opened.document["revision"] + 1


@pytest.mark.parametrize("status", [429, 503, 409])
def test_a_busy_service_is_asked_again_when_it_says_so(stack: Stack, status: int) -> None:
    busy = httpx.Response(status, headers={"Retry-After": "0"}, json={})
    wire = Wire(lambda number, answer: busy if number < 3 else answer)
    with Client(stack.base_url, stack.admin_token, retrying=SWIFT, transport=wire) as patient:
        patient.call(calls.get_me())
    assert len(wire.sent) == 3


@pytest.mark.parametrize(
    ("retrying", "sent"),
    [
        (replace(SWIFT, patience=600.0), 9),
        (replace(SWIFT, patience=0.0), SWIFT.attempts),
        (Retrying(attempts=1), 1),
    ],
)
def test_a_request_that_is_still_carried_out_is_waited_for_longer_than_a_busy_service(
    stack: Stack, retrying: Retrying, sent: int
) -> None:
    busy = httpx.Response(409, headers={"Retry-After": "0"}, json={})
    wire = Wire(lambda number, answer: busy if number < 9 else answer)
    is_answered = nullcontext() if sent == 9 else pytest.raises(ConflictError)
    with Client(stack.base_url, stack.admin_token, retrying=retrying, transport=wire) as client, is_answered:
        client.call(calls.get_me())
    assert len(wire.sent) == sent


def test_a_change_that_may_add_up_is_sent_once(stack: Stack, dataset_id: str) -> None:
    wire = losing(1)
    with Client(stack.base_url, stack.admin_token, retrying=SWIFT, transport=wire) as unlucky:
        change = calls.change_dataset(dataset_id, {"name": str(uuid.uuid4())})
        with pytest.raises(httpx.ReadError):
            unlucky.call(change)
    assert len(wire.sent) == 1


def test_a_token_that_is_renewed_is_asked_for_before_each_request(stack: Stack) -> None:
    tokens, wire = iter([stack.admin_token, "old"]), Wire()
    with Client(stack.base_url, lambda: next(tokens), transport=wire) as renewing:
        renewing.call(calls.get_me())
        with pytest.raises(UnauthenticatedError):
            renewing.call(calls.get_me())
    assert wire.sent[1].headers["Authorization"] == "Bearer old"


def test_a_program_that_uses_asyncio_can_do_the_same(stack: Stack, dataset_id: str, folder: Path) -> None:
    async def label() -> None:
        async with AsyncClient(stack.base_url, stack.admin_token) as client:
            samples = await client.upload(dataset_id, folder)
            clicked = [client.click(sample["id"], **DISC, wait_seconds=0) for sample in samples]
            for sample, outline in zip(samples, await asyncio.gather(*clicked), strict=True):
                opened = await client.open(sample["id"])
                await client.save(opened, [{"contour_id": outline["contour_id"], "label": "disc"}])
            listed = client.items(calls.list_samples(dataset_id, limit=2))
            assert [sample["annotation_count"] async for sample in listed] == [1, 1, 1]

    asyncio.run(label())
