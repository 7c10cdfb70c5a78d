"""Numbers of processes that work side by side, as Prometheus asks for them."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.test_giving_up import eventually
from tests.http_client import Client, disc_photo

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")


def page(address: str, **headers: str) -> str:
    """What is answered there, over a connection of its own."""
    return httpx.get(address, headers=headers, timeout=60).text


def value(text: str, name: str, **labels: str) -> float:
    """The sum of what is published under a name, of the series with these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_whichever_process_of_the_api_is_asked_answers_for_all_of_them(stack: Stack, client: Client) -> None:
    def answered() -> float:
        # Any of the processes may take it.
        text = page(f"{stack.base_url}/metrics", Authorization=f"Bearer {stack.admin_token}")
        return value(text, "fourpoint_requests_total", route="/healthz", status="200")

    before = answered()
    for _ in range(20):
        page(f"{stack.base_url}/healthz")
    assert {answered() for _ in range(10)} == {before + 20}


def test_a_click_is_found_in_the_numbers_of_the_worker(client: Client, metrics_port: int) -> None:
    def of_inference(name: str, **labels: str) -> float:
        return value(page(f"http://127.0.0.1:{metrics_port}/metrics"), name, **labels)

    def clicks() -> float:
        return of_inference("fourpoint_job_tries_total", kind="infer_contour", state="succeeded")

    before = clicks()
    sample = client.upload(client.create_dataset("measured")["id"], ("disc.png", disc_photo()))[0]
    assert client.click(sample["id"], wait=30).status_code == 200
    # Who waits may see the job's end before the worker has counted it.
    assert eventually(lambda: clicks() == before + 1)
    assert of_inference("fourpoint_stage_seconds_count", stage="polygon") > 0


def test_what_the_children_of_background_work_do_is_told_by_their_parent(
    client: Client, metrics_port: int
) -> None:
    def of_io() -> float:
        text = page(f"http://127.0.0.1:{metrics_port + 1}/metrics")
        return value(text, "fourpoint_job_tries_total", kind="purge_dataset", state="succeeded")

    before = of_io()
    dataset = client.create_dataset("soon gone")
    assert client.http.delete(f"/v1/datasets/{dataset['id']}").is_success
    assert eventually(lambda: of_io() == before + 1)
