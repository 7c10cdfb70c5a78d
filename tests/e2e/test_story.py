"""What the product is for, from the first byte to the last, through every process."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from tests.http_client import DISC, JSON, Client, disc_photo

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")


def eventually(fact: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether the fact comes true in time."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def dataset(client: Client) -> JSON:
    return client.create_dataset(f"story {uuid4()}")


@pytest.fixture
def sample(client: Client, dataset: JSON) -> JSON:
    return client.upload(dataset["id"], ("disc.png", disc_photo()))[0]


def test_four_clicks_become_a_label_and_go_again(client: Client, dataset: JSON, sample: JSON) -> None:
    assert client.samples(dataset["id"], "unlabeled") == [sample["id"]]

    response = client.click(sample["id"], wait=30, save="document", label="disc")
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["area"] == pytest.approx(3.14159 * 40**2, rel=0.05)
    assert answer["bbox"] == pytest.approx([20, 20, 100, 100], abs=2)

    [saved] = client.annotations(sample["id"])
    assert saved["id"] == answer["annotation_id"]
    assert saved["contour"] == answer["contour"]
    assert saved["label"]["name"] == "disc"
    assert saved["method"] == "extreme_points"
    assert client.samples(dataset["id"], "labeled") == [sample["id"]]
    assert client.samples(dataset["id"], "unlabeled") == []

    deleted = client.http.delete(f"/v1/samples/{sample['id']}/annotations/{saved['id']}")
    assert deleted.is_success, deleted.text
    assert client.annotations(sample["id"]) == []
    assert client.samples(dataset["id"], "labeled") == []
    assert client.samples(dataset["id"], "unlabeled") == [sample["id"]]


def test_a_person_decides_after_seeing_the_contour(client: Client, sample: JSON) -> None:
    answer = client.click(sample["id"], wait=30).json()
    assert client.annotations(sample["id"]) == []
    body = {"contour_id": answer["contour_id"], "label": "disc"}
    added = client.http.post(f"/v1/samples/{sample['id']}/annotations", json=body)
    assert added.status_code == 201, added.text
    [saved] = client.annotations(sample["id"])
    assert saved["contour"] == answer["contour"]
    assert saved["method"] == "extreme_points"


def test_four_points_in_any_order_give_the_same_contour(client: Client, sample: JSON) -> None:
    named = client.click(sample["id"], wait=30).json()
    loose = [DISC["right"], DISC["bottom"], DISC["left"], DISC["top"]]
    anyhow = client.click(sample["id"], wait=30, points=loose).json()
    assert anyhow["contour"] == named["contour"]


def test_without_waiting_the_job_can_be_polled(client: Client, sample: JSON) -> None:
    response = client.click(sample["id"])
    assert response.status_code == 202
    address = response.headers["Location"]
    assert eventually(lambda: client.get(address)["state"] == "succeeded")
    assert client.get(address)["result"]["vertices"] >= 8


def test_a_job_can_be_followed_as_events(client: Client, sample: JSON) -> None:
    address = client.click(sample["id"]).headers["Location"]
    with client.http.stream("GET", f"{address}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join(stream.iter_text())
    assert '"succeeded"' in text


def test_a_deleted_dataset_takes_its_objects_along_when_asked(
    client: Client, dataset: JSON, sample: JSON
) -> None:
    response = client.http.delete(f"/v1/datasets/{dataset['id']}", params={"delete_objects": "true"})
    assert response.status_code == 202, response.text
    address = response.headers["Location"]
    assert eventually(lambda: client.get(address)["state"] == "succeeded")
    assert client.get(address)["result"]["objects"] == 1
    assert client.http.get(f"/v1/samples/{sample['id']}").status_code == 404


def test_the_request_id_reaches_the_log_of_the_worker(client: Client, sample: JSON, stack: Stack) -> None:
    request_id = f"browser-{uuid4()}"
    headers = {"X-Request-ID": request_id, "Prefer": "wait=30"}
    response = client.http.post(f"/v1/samples/{sample['id']}/contours", json={"points": DISC}, headers=headers)
    assert response.headers["X-Request-ID"] == request_id
    log = stack.log_directory / "inference.log"
    assert eventually(lambda: f'"request_id": "{request_id}"' in log.read_text())
