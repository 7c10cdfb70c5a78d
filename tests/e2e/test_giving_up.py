"""Clients that hang up, and services that are told to stop, while an answer is being waited for."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from tests.http_client import DISC, JSON, Client, disc_photo

from fourpoint_standalone.stack import API, INFERENCE, Stack

pytestmark = pytest.mark.xdist_group("e2e")


def eventually(fact: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether the fact comes true in time."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def is_well(stack: Stack, question: str) -> bool:
    """Whether the stack says so, asked by `healthz` or `readyz`."""
    try:
        return httpx.get(f"{stack.base_url}/{question}", timeout=60).is_success
    except httpx.TransportError:
        return False


def all_has_ended(client: Client) -> bool:
    """Whether no job waits or is in hand."""
    return not any(client.get("/v1/jobs", state=state)["items"] for state in ("queued", "running"))


@pytest.fixture
def sample(client: Client) -> JSON:
    dataset = client.create_dataset(f"giving up {uuid4()}")
    return client.upload(dataset["id"], ("disc.png", disc_photo()))[0]


@pytest.fixture
def nobody_infers(stack: Stack, client: Client) -> Iterator[None]:
    """Clicks wait for as long as the test does, and none of them is left to those who count clicks."""
    with stack.without(INFERENCE):
        yield
    assert eventually(lambda: is_well(stack, "readyz"))
    assert eventually(lambda: all_has_ended(client))


def newest_job(client: Client, sample: JSON) -> JSON | None:
    jobs = client.get("/v1/jobs", dataset_id=sample["dataset_id"])["items"]
    return jobs[-1] if jobs else None


def click_and_hang_up(stack: Stack, client: Client, sample: JSON, headers: str = "", **body: object) -> JSON:
    """The job of a click whose client has gone while it waited."""
    text = json.dumps({"points": DISC, **body})
    address = urlsplit(stack.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        connection.sendall(
            f"POST /v1/samples/{sample['id']}/contours HTTP/1.1\r\nHost: x\r\nPrefer: wait=20\r\n"
            f"Authorization: Bearer {stack.admin_token}\r\nContent-Type: application/json\r\n{headers}"
            f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
        )
        assert eventually(lambda: newest_job(client, sample) is not None)
    job = newest_job(client, sample)
    assert job is not None
    return job


@pytest.mark.usefixtures("nobody_infers")
def test_whoever_hangs_up_frees_his_click(stack: Stack, client: Client, sample: JSON) -> None:
    job = click_and_hang_up(stack, client, sample)
    assert eventually(lambda: client.get(f"/v1/jobs/{job['id']}")["state"] == "cancelled")


@pytest.mark.usefixtures("nobody_infers")
@pytest.mark.parametrize(
    ("headers", "body"),
    [("", {"save": "document", "label": "disc"}), ("Idempotency-Key: will-come-again\r\n", {})],
)
def test_what_is_kept_or_will_be_asked_for_again_goes_on(
    stack: Stack, client: Client, sample: JSON, headers: str, body: JSON
) -> None:
    job = click_and_hang_up(stack, client, sample, headers, **body)
    time.sleep(2.5)
    assert client.get(f"/v1/jobs/{job['id']}")["state"] == "queued"


def test_an_upload_that_nobody_waits_for_is_not_stored_and_its_key_is_free(
    stack: Stack, client: Client
) -> None:
    dataset = client.create_dataset(f"giving up {uuid4()}")
    path = f"/v1/datasets/{dataset['id']}/samples"
    request = httpx.Request(
        "POST",
        stack.base_url + path,
        files=[("files", (f"{number}.png", disc_photo(number, 800))) for number in range(5)],
        headers={"Authorization": f"Bearer {stack.admin_token}", "Idempotency-Key": str(uuid4())},
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    address = urlsplit(stack.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + request.read())
    assert client.samples(dataset["id"]) == []
    with httpx.Client(timeout=120) as again:
        answer = again.send(request)
    assert answer.status_code == 201, answer.text
    assert "Idempotency-Replayed" not in answer.headers
    assert len(client.samples(dataset["id"])) == 5


@pytest.mark.usefixtures("nobody_infers")
def test_a_request_in_flight_is_answered_by_an_api_that_is_told_to_stop(
    stack: Stack, client: Client, sample: JSON
) -> None:
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(client.click(sample["id"], wait=3)))
    waiting.start()
    assert eventually(lambda: newest_job(client, sample) is not None)
    stack.kill(API, signal.SIGTERM)
    waiting.join(120)
    assert [answer.status_code for answer in answers] == [202]
    assert eventually(lambda: is_well(stack, "healthz"))


@pytest.mark.usefixtures("nobody_infers")
def test_whoever_waits_and_whoever_follows_is_answered_by_a_stack_that_stops(
    stack: Stack, client: Client, sample: JSON
) -> None:
    headers = {"Authorization": f"Bearer {stack.admin_token}"}
    with (
        ThreadPoolExecutor() as pool,
        httpx.Client(base_url=stack.base_url, headers=headers, timeout=120) as another,
    ):
        click = pool.submit(client.click, sample["id"], wait=30)
        assert eventually(lambda: newest_job(client, sample) is not None)
        job = newest_job(client, sample)
        assert job is not None
        with another.stream("GET", f"/v1/jobs/{job['id']}/events") as followed:
            lines = followed.iter_lines()
            assert next(lines) == "event: job"
            with stack.without(API):
                answer = click.result()
                rest = list(lines)
    assert (answer.status_code, rest[0].partition(" ")[0]) == (202, "data:")
    assert eventually(lambda: is_well(stack, "healthz"))
