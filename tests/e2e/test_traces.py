"""What a collector hears of clicks and of background work, sent by the processes as they are deployed."""

import json
from uuid import uuid4

import pytest
from tests.http_client import DISC, JSON, Client, disc_photo
from tests.otlp_receiver import OtlpReceiver, Span, tree

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")
STAGES = ["image", "model", "crop", "network", "cut", "polygon"]


def traced() -> tuple[str, dict[str, str]]:
    """A trace that a client has begun, and the header that says so."""
    trace_id = uuid4().hex
    return trace_id, {"traceparent": f"00-{trace_id}-{'ab' * 8}-01"}


def complete(receiver: OtlpReceiver, trace_id: str, *names: str) -> list[Span]:
    def here(_: object) -> bool:
        return set(names) <= {span.name for span in receiver.trace(trace_id)}

    receiver.wait_for(here)
    found = receiver.trace(trace_id)
    assert here(None), tree(found)
    return found


def the(spans: list[Span], name: str) -> Span:
    return next(span for span in spans if span.name == name)


@pytest.fixture(scope="module")
def sample(client: Client) -> JSON:
    dataset = client.create_dataset("traced, by a name that is nobody's business")
    return client.upload(dataset["id"], ("a-private-name.png", disc_photo(77)))[0]


@pytest.fixture(scope="module")
def click(client: Client, sample: JSON, receiver: OtlpReceiver) -> list[Span]:
    trace_id, headers = traced()
    answer = client.http.post(
        f"/v1/samples/{sample['id']}/contours",
        params={"signature": "of-an-address"},
        json={"points": DISC, "save": "document", "label": "a-private-label"},
        headers={"Prefer": "wait=30", "X-Request-ID": "a-click", **headers},
    )
    assert answer.status_code == 200, answer.text
    return complete(receiver, trace_id, "POST /v1/samples/<uuid:sample_id>/contours", "infer_contour")


def test_a_click_is_one_trace_from_http_to_the_worker_and_the_database(click: list[Span]) -> None:
    known = {span.span_id for span in click}
    (first,) = [span for span in click if span.parent_id not in known]
    assert (first.name, first.parent_id) == ("POST /v1/samples/<uuid:sample_id>/contours", "ab" * 8)
    assert first.service == "fourpoint-api"
    publication, job = the(click, "publish click"), the(click, "infer_contour")
    assert publication.parent_id == first.span_id
    assert (job.parent_id, job.service) == (publication.span_id, "fourpoint-inference")
    assert the(click, "queue").parent_id == publication.span_id
    assert the(click, "wait for the job").parent_id == first.span_id
    assert {span.service for span in click if "db.query.text" in span.facts} == {
        "fourpoint-api",
        "fourpoint-inference",
    }


def test_the_stages_of_an_outline_follow_each_other_below_the_job(click: list[Span]) -> None:
    job = the(click, "infer_contour")
    stages = [span.name for span in click if span.parent_id == job.span_id and span.name in STAGES]
    assert stages == ["image", "model", "image", "crop", "network", "cut", "polygon"]
    reading = the(click, "read the object")
    assert reading.parent_id in {span.span_id for span in click if span.name == "image"}
    assert any(span.name == "COMMIT" and span.service == "fourpoint-inference" for span in click)


def test_a_span_says_what_was_asked_and_what_came_of_it(click: list[Span]) -> None:
    first, job = the(click, "POST /v1/samples/<uuid:sample_id>/contours"), the(click, "infer_contour")
    assert first.facts["http.response.status_code"] == 200
    assert first.facts["fourpoint.request_id"] == "a-click"
    assert job.facts["fourpoint.job_state"] == "succeeded"
    assert not any(span.failed for span in click)


def test_nothing_that_somebody_wrote_and_no_secret_leaves_with_a_span(
    click: list[Span], stack: Stack, receiver: OtlpReceiver
) -> None:
    assert any(span.name == "INSERT labels" for span in click)
    everything = b"".join(receiver.bodies)
    for private in (
        stack.admin_token,
        "of-an-address",
        "a-private-name",
        "a-private-label",
        "nobody's business",
        "python-httpx",
    ):
        assert private.encode() not in everything


def test_the_log_names_the_trace_beside_the_request(click: list[Span], stack: Stack) -> None:
    lines = (stack.data_directory / "logs" / "api.log").read_text().splitlines()
    mine = [json.loads(line) for line in lines if '"a-click"' in line]
    assert {line["trace_id"] for line in mine} == {click[0].trace_id}
    assert mine[-1]["span_id"] == the(click, "POST /v1/samples/<uuid:sample_id>/contours").span_id


def test_an_image_that_is_prepared_in_the_background_stays_in_its_trace(
    client: Client, sample: JSON, receiver: OtlpReceiver
) -> None:
    trace_id, headers = traced()
    assert client.http.put(f"/v1/samples/{sample['id']}/embedding", headers=headers).is_success
    spans = complete(receiver, trace_id, "prefetch_sample", "publish prefetch")
    assert the(spans, "prefetch_sample").service == "fourpoint-inference"


@pytest.mark.usefixtures("click")
def test_outlines_in_bulk_stay_in_the_trace_of_who_asked_for_them(
    client: Client, sample: JSON, receiver: OtlpReceiver
) -> None:
    trace_id, headers = traced()
    answer = client.http.post(
        f"/v1/datasets/{sample['dataset_id']}/pre-label", json={"filter": {}}, headers=headers
    )
    assert answer.is_success
    asked = "POST /v1/datasets/<uuid:dataset_id>/pre-label"
    spans = complete(receiver, trace_id, "pre_label", asked)
    # The lane takes it by its row: no message tells it which.
    assert the(spans, "pre_label").parent_id == the(spans, asked).span_id
    assert the(spans, "next image").parent_id == the(spans, "pre_label").span_id


def test_work_of_a_child_process_is_part_of_the_trace(client: Client, receiver: OtlpReceiver) -> None:
    dataset = client.create_dataset("soon removed")
    trace_id, headers = traced()
    assert client.http.delete(f"/v1/datasets/{dataset['id']}", headers=headers).is_success
    spans = complete(receiver, trace_id, "purge_dataset")
    assert the(spans, "purge_dataset").service == "fourpoint-io"


def test_who_does_not_sample_his_trace_hears_nothing_of_it(
    client: Client, sample: JSON, receiver: OtlpReceiver
) -> None:
    unsampled, sampled = uuid4().hex, uuid4().hex
    for trace_id, flags in ((unsampled, "00"), (sampled, "01")):
        header = {"traceparent": f"00-{trace_id}-{'cd' * 8}-{flags}"}
        assert client.http.post(
            f"/v1/samples/{sample['id']}/contours",
            json={"points": DISC},
            headers={"Prefer": "wait=30", **header},
        ).is_success
    complete(receiver, sampled, "infer_contour")
    assert receiver.trace(unsampled) == []


def test_questions_of_load_balancers_are_not_told(client: Client, receiver: OtlpReceiver) -> None:
    client.http.get("/healthz")
    trace_id, headers = traced()
    client.http.get("/v1/me", headers=headers)
    complete(receiver, trace_id, "GET /v1/me")
    assert not any("healthz" in span.name for span in receiver.spans)
