"""Having outlines drawn in bulk, and confirming or rejecting them, over HTTP."""

from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from tests.factories import SQUARE_JSON, make_contour, make_sample

from fourpoint_core.domain.geometry import Contour, Part
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.payloads.outlines import PreLabel, ReviewOutlines, Verdict
from fourpoint_core.store.models import Dataset, Job, Sample
from fourpoint_core.store.queries import annotations, samples, suggestions
from fourpoint_core.store.session import Sessions, unit_of_work

DRAWN = Contour((Part(((25.0, 15.0), (75.0, 15.0), (50.0, 65.0))),))


@pytest.fixture
def proposed(client: FlaskClient, sessions: Sessions, sample: Sample) -> list[str]:
    """Ids of two objects of the sample whose outlines a batch has drawn."""
    ids = [new_id(), new_id()]
    for key in ids:
        body = {"id": str(key), "contour": SQUARE_JSON, "label": "cat"}
        assert client.post(f"/v1/samples/{sample.id}/annotations", json=body).status_code == 201
    contour = make_contour(sessions, sample)
    with unit_of_work(sessions) as session:
        locked = samples.get_sample(session, sample.id, lock=True)
        rows = annotations.current_rows(session, sample.id)
        contents = {
            key: annotations.content_of(row)
            .with_provenance(annotations.provenance_of(contour))
            .with_contour(DRAWN)
            for key, row in rows.items()
        }
        suggestions.propose(session, locked, contents, LOCAL_USER_ID)
    return [str(key) for key in ids]


def objects(client: FlaskClient, sample: Sample) -> dict[str, Any]:
    document = client.get(f"/v1/samples/{sample.id}/annotations").json
    return {item["id"]: item for item in document["annotations"]}


def listed(client: FlaskClient, dataset: Dataset, **query: Any) -> list[str]:
    answer = client.get(f"/v1/datasets/{dataset.id}/samples", query_string=query)
    return [item["id"] for item in answer.json["items"]]


def payload(sessions: Sessions, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 202, answer.json
    with unit_of_work(sessions) as session:
        found: dict[str, Any] = session.get_one(Job, UUID(answer.json["id"])).payload
        return found


# Asking for it


def test_images_of_a_filter_are_queued_as_a_batch(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/pre-label", json={"filter": {"status": "labeled"}})
    assert (answer.json["kind"], answer.json["queue"]) == ("pre_label", "batch")
    queued = PreLabel.from_json(payload(sessions, answer))
    assert queued.selection.filter is not None and queued.selection.filter.status == "labeled"
    assert queued.selection.until is not None and not queued.edited


def test_an_empty_filter_means_all_of_the_dataset(client: FlaskClient, dataset: Dataset) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/pre-label", json={"filter": {}, "edited": True})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/filter"),
        ({"ids": [], "filter": None}, "/ids"),
        ({"ids": [str(new_id())], "filter": {}}, "/filter"),
        ({"filter": {"at": "2026-01-01T00:00:00Z"}}, "/filter/at"),
        ({"filter": {"version": str(new_id())}}, "/filter/version"),
        ({"filter": {}, "edited": "yes"}, "/edited"),
    ],
)
def test_saying_nothing_or_too_much_is_refused(
    client: FlaskClient, dataset: Dataset, body: dict[str, Any], pointer: str
) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/pre-label", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_the_same_request_twice_is_one_job(client: FlaskClient, dataset: Dataset) -> None:
    first, second = (
        client.post(
            f"/v1/datasets/{dataset.id}/pre-label", json={"filter": {}}, headers={"Idempotency-Key": "again"}
        )
        for _ in range(2)
    )
    assert first.json["id"] == second.json["id"]


def test_a_job_of_outlines_can_be_cancelled(client: FlaskClient, dataset: Dataset) -> None:
    job = client.post(f"/v1/datasets/{dataset.id}/pre-label", json={"filter": {}}).json
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json["state"] == "cancelled"


# What waits


def test_an_outline_of_a_batch_says_that_it_waits(
    client: FlaskClient, sample: Sample, proposed: list[str]
) -> None:
    assert [objects(client, sample)[key]["unconfirmed"] for key in proposed] == [True, True]


def propose_what_nobody_is_sure_of(sessions: Sessions, sample: Sample, key: UUID) -> None:
    unsure = make_contour(sessions, sample, confident=False)
    with unit_of_work(sessions) as session:
        locked = samples.get_sample(session, sample.id, lock=True)
        row = annotations.current_rows(session, sample.id)[key]
        content = annotations.content_of(row).with_provenance(annotations.provenance_of(unsure))
        suggestions.propose(session, locked, {key: content}, LOCAL_USER_ID)


def test_images_with_outlines_that_the_engine_is_not_sure_of_can_be_listed(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, sample: Sample, proposed: list[str]
) -> None:
    other = make_sample(sessions, dataset)
    assert listed(client, dataset, unsure="true") == []
    propose_what_nobody_is_sure_of(sessions, sample, UUID(proposed[0]))
    assert listed(client, dataset, unsure="true") == [str(sample.id)]
    assert listed(client, dataset, unsure="false") == [str(other.id)]
    revisions = client.get(f"/v1/samples/{sample.id}/revisions").json["items"]
    then = max(item["created_at"] for item in revisions if item["action"] == "pre_label")
    client.post(f"/v1/samples/{sample.id}/annotations/confirm", json={})
    assert listed(client, dataset, unsure="true") == []
    assert listed(client, dataset, unsure="true", at=then) == [str(sample.id)]


def test_an_outline_that_waits_says_whether_the_engine_is_sure_of_it(
    client: FlaskClient, sessions: Sessions, sample: Sample, proposed: list[str]
) -> None:
    first, second = proposed
    propose_what_nobody_is_sure_of(sessions, sample, UUID(first))
    address = f"/v1/samples/{sample.id}/annotations"

    def said(document: Any) -> dict[str, bool | None]:
        return {item["id"]: item["confident"] for item in document.json["annotations"]}

    read = client.get(address)
    assert said(read) == {first: False, second: True}
    assert client.get(f"{address}/{first}").json["confident"] is False
    relabeled = client.patch(f"{address}/{first}", json={"label": "dog"})
    assert relabeled.json["confident"] is False
    for body in ([{"id": first}, {"id": second, "difficult": True}], [{"id": first}, {"id": second}]):
        etag = client.get(address).headers["ETag"]
        saved = client.put(address, json={"annotations": body}, headers={"If-Match": etag})
        assert said(saved) == {first: False, second: True}
    assert said(client.post(f"{address}/confirm", json={})) == {first: None, second: None}


def test_images_with_outlines_that_wait_can_be_listed(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, sample: Sample, proposed: list[str]
) -> None:
    other = make_sample(sessions, dataset)
    assert listed(client, dataset, unconfirmed="true") == [str(sample.id)]
    assert listed(client, dataset, unconfirmed="false") == [str(other.id)]
    client.post(f"/v1/samples/{sample.id}/annotations/confirm", json={})
    assert listed(client, dataset, unconfirmed="true") == []


def test_a_past_state_lists_what_waited_then(
    client: FlaskClient, dataset: Dataset, sample: Sample, proposed: list[str]
) -> None:
    revisions = client.get(f"/v1/samples/{sample.id}/revisions").json["items"]
    [then] = [item["created_at"] for item in revisions if item["action"] == "pre_label"]
    client.post(f"/v1/samples/{sample.id}/annotations/confirm", json={})
    assert listed(client, dataset, unconfirmed="true", at=then) == [str(sample.id)]


# Saying something to it


def test_one_outline_is_confirmed_and_the_other_waits_on(
    client: FlaskClient, sample: Sample, proposed: list[str]
) -> None:
    answer = client.post(f"/v1/samples/{sample.id}/annotations/confirm", json={"annotation_ids": [proposed[0]]})
    assert answer.status_code == 200
    found = {item["id"]: item["unconfirmed"] for item in answer.json["annotations"]}
    assert found == {proposed[0]: False, proposed[1]: True}
    assert objects(client, sample)[proposed[0]]["engine"] == "fake"


def test_a_rejected_outline_is_the_one_before_again(
    client: FlaskClient, sample: Sample, proposed: list[str]
) -> None:
    client.post(f"/v1/samples/{sample.id}/annotations/reject", json={})
    for item in objects(client, sample).values():
        assert (item["contour"], item["unconfirmed"], item["engine"]) == (SQUARE_JSON, False, None)


def test_reviewing_what_does_not_wait_saves_nothing(
    client: FlaskClient, sample: Sample, proposed: list[str]
) -> None:
    client.post(f"/v1/samples/{sample.id}/annotations/confirm", json={})
    before = client.get(f"/v1/samples/{sample.id}").json["revision"]
    assert client.post(f"/v1/samples/{sample.id}/annotations/reject", json={}).json["revision"] == before


def test_a_review_against_an_older_document_is_refused(
    client: FlaskClient, sample: Sample, proposed: list[str]
) -> None:
    answer = client.post(
        f"/v1/samples/{sample.id}/annotations/confirm", json={}, headers={"If-Match": '"document-1"'}
    )
    assert answer.status_code == 412


def test_who_changes_an_outline_has_confirmed_it(
    client: FlaskClient, sample: Sample, proposed: list[str]
) -> None:
    tag = client.get(f"/v1/samples/{sample.id}/annotations").headers["ETag"]
    moved = client.patch(
        f"/v1/samples/{sample.id}/annotations/{proposed[0]}",
        json={"move": {"dx": 1, "dy": 1}},
        headers={"If-Match": tag},
    )
    assert moved.status_code == 200
    client.patch(f"/v1/samples/{sample.id}/annotations/{proposed[1]}", json={"difficult": True})
    found = objects(client, sample)
    assert [found[key]["unconfirmed"] for key in proposed] == [False, True]


def test_a_confirmation_can_be_undone(client: FlaskClient, sample: Sample, proposed: list[str]) -> None:
    tag = client.post(f"/v1/samples/{sample.id}/annotations/confirm", json={}).headers["ETag"]
    assert client.post(f"/v1/samples/{sample.id}/undo", headers={"If-Match": tag}).status_code == 200
    assert all(item["unconfirmed"] for item in objects(client, sample).values())


def test_history_says_what_was_confirmed(client: FlaskClient, sample: Sample, proposed: list[str]) -> None:
    revision = client.post(f"/v1/samples/{sample.id}/annotations/confirm", json={}).json["revision"]
    changes = client.get(f"/v1/samples/{sample.id}/revisions/{revision}/changes").json["changed"]
    assert [item["fields"] for item in changes] == [["confirmation"], ["confirmation"]]


@pytest.mark.parametrize("verdict", Verdict)
def test_many_are_reviewed_by_a_job(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, verdict: Verdict
) -> None:
    answer = client.post(
        f"/v1/datasets/{dataset.id}/pre-label/{verdict.value}", json={"filter": {"unconfirmed": True}}
    )
    queued = ReviewOutlines.from_json(payload(sessions, answer))
    assert queued.verdict is verdict
    assert queued.selection.filter is not None and queued.selection.filter.unconfirmed
