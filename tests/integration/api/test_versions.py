"""Publishing, reading, comparing and deleting versions over HTTP."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, update
from tests.factories import SQUARE_JSON, make_dataset, make_sample
from werkzeug.test import TestResponse

from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import KINDS
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.tasks.publish_version import PublishVersionWork
from fourpoint_worker.tasks.switch_version import SwitchVersionWork

RunJob = Callable[[TestResponse], dict[str, Any]]


@pytest.fixture
def run_job(client: FlaskClient, sessions: Sessions, redis: Any) -> RunJob:
    """Does what a worker would with the job that an answer accepted; the job's result."""

    def run(accepted: TestResponse) -> dict[str, Any]:
        assert accepted.status_code == 202, accepted.text
        works = {work.kind.name: work for work in (PublishVersionWork(sessions), SwitchVersionWork(sessions))}
        keeper = LeaseKeeper(sessions, 30.0, stage_seconds=60)
        job = accepted.json
        assert job["kind"] in KINDS
        Runner(sessions, redis, keeper, 30.0, "worker").run(works[job["kind"]], UUID(job["id"]))
        done = client.get(f"/v1/jobs/{job['id']}").json
        assert done["state"] == "succeeded", done
        result: dict[str, Any] = done["result"]
        return result

    return run


@pytest.fixture
def publish(client: FlaskClient, dataset: Dataset, run_job: RunJob) -> Callable[..., str]:
    """Publishes; the version's id."""

    def do(name: str | None = None) -> str:
        answer = client.post(f"/v1/datasets/{dataset.id}/versions", json={"name": name})
        return str(run_job(answer)["version_id"])

    return do


def draw(client: FlaskClient, sample: Sample, label: str = "cat") -> str:
    """An object on an image; its id."""
    body = {"id": str(new_id()), "label": label, "contour": SQUARE_JSON}
    answer = client.post(f"/v1/samples/{sample.id}/annotations", json=body)
    assert answer.status_code == 201, answer.text
    return body["id"]


def dashboard(client: FlaskClient, dataset: Dataset) -> tuple[str | None, bool]:
    found = client.get(f"/v1/datasets/{dataset.id}").json
    current = found["current_version"]
    return current and current["name"], found["has_unpublished_changes"]


def test_a_published_version_is_listed_and_read(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    draw(client, sample)
    version_id = publish("first")
    (listed,) = client.get(f"/v1/datasets/{dataset.id}/versions").json["items"]
    read = client.get(f"/v1/datasets/{dataset.id}/versions/{version_id}")
    assert listed == {key: value for key, value in read.json.items() if key != "labels"}
    assert (listed["name"], listed["state"], listed["is_current"]) == ("first", "published", True)
    assert (listed["samples"], listed["labeled"], listed["annotations"]) == (1, 1, 1)
    assert [(x["label"]["name"], x["images"], x["objects"]) for x in read.json["labels"]] == [("cat", 1, 1)]


def test_the_dashboard_names_the_current_version_and_whether_there_is_something_to_publish(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    assert dashboard(client, dataset) == (None, True)
    publish()
    assert dashboard(client, dataset) == ("V001", False)
    draw(client, sample)
    assert dashboard(client, dataset) == ("V001", True)
    document = client.get(f"/v1/samples/{sample.id}/annotations")
    client.post(f"/v1/samples/{sample.id}/undo", headers={"If-Match": document.headers["ETag"]})
    client.delete(f"/v1/datasets/{dataset.id}/labels/{document.json['annotations'][0]['label']['id']}")
    assert dashboard(client, dataset) == ("V001", False)


def test_a_renamed_label_is_something_to_publish_and_stays_as_it_was_in_the_version(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    draw(client, sample)
    version_id = publish()
    (label,) = client.get(f"/v1/datasets/{dataset.id}/labels").json["items"]
    client.patch(f"/v1/datasets/{dataset.id}/labels/{label['id']}", json={"name": "lynx", "colour": "#123456"})
    assert dashboard(client, dataset) == ("V001", True)
    stats = f"/v1/datasets/{dataset.id}/stats"
    conditions = f"/v1/datasets/{dataset.id}/search-conditions"
    for address in (stats, conditions):
        (then,) = client.get(address, query_string={"version": version_id}).json["labels"]
        (now,) = client.get(address).json["labels"]
        assert (then["label"], now["label"]["name"], now["label"]["colour"]) == (label, "lynx", "#123456")


def test_a_list_of_a_version_shows_what_was_there(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, publish: Callable[..., str]
) -> None:
    version_id = publish()
    draw(client, sample)
    make_sample(sessions, dataset)
    samples = f"/v1/datasets/{dataset.id}/samples"
    then = client.get(samples, query_string={"version": version_id, "count": "exact"}).json
    assert [(x["id"], x["status"]) for x in then["items"]] == [(str(sample.id), "unlabeled")]
    assert then["total"] == 1
    assert client.get(samples, query_string={"count": "exact"}).json["total"] == 2
    around = client.get(f"/v1/samples/{sample.id}/neighbours", query_string={"version": version_id}).json
    assert around == {"previous": None, "next": None}


def test_the_directories_of_a_version_are_those_of_its_images(
    client: FlaskClient, sessions: Sessions, run_job: RunJob
) -> None:
    dataset = make_dataset(sessions, input_path="in/")
    for key in ("in/a/1.png", "in/a/2.png", "in/0.png", "in/b/c/3.png"):
        make_sample(sessions, dataset, object_key=key)
    made = run_job(client.post(f"/v1/datasets/{dataset.id}/versions", json={}))
    make_sample(sessions, dataset, object_key="in/z/1.png")
    address = f"/v1/datasets/{dataset.id}/search-conditions"
    then = client.get(address, query_string={"version": made["version_id"]}).json["path_prefixes"]
    assert then == ["in/a/", "in/b/"]
    below = client.get(address, query_string={"version": made["version_id"], "path_prefix": "in/b/"}).json
    assert below["path_prefixes"] == ["in/b/c/"]
    assert client.get(address).json["path_prefixes"] == ["in/a/", "in/b/", "in/z/"]


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 33, "../up", "a\n"])
def test_a_name_that_is_no_file_name_is_refused(
    client: FlaskClient, dataset: Dataset, sample: Sample, name: str
) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/versions", json={"name": name})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/name")


def test_a_name_is_taken_once(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    publish("first")
    answer = client.post(f"/v1/datasets/{dataset.id}/versions", json={"name": "first"})
    assert (answer.status_code, answer.json["code"]) == (409, "name_taken")


def test_names_by_default_count_up_past_those_that_are_taken(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    publish("V002")
    publish()
    publish()
    names = [x["name"] for x in client.get(f"/v1/datasets/{dataset.id}/versions").json["items"]]
    assert names == ["V002", "V003", "V004"]


def test_a_dataset_without_images_has_nothing_to_publish(client: FlaskClient, dataset: Dataset) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/versions", json={})
    assert (answer.status_code, answer.json["code"]) == (409, "dataset_empty")


def test_who_publishes_while_somebody_does_is_told_which_job_to_wait_for(
    client: FlaskClient, dataset: Dataset, sample: Sample, run_job: RunJob
) -> None:
    first = client.post(f"/v1/datasets/{dataset.id}/versions", json={})
    second = client.post(f"/v1/datasets/{dataset.id}/versions", json={})
    assert (second.status_code, second.json["code"]) == (409, "versions_busy")
    assert first.json["id"] in second.json["detail"]
    run_job(first)
    run_job(client.post(f"/v1/datasets/{dataset.id}/versions", json={}))


def test_a_publication_that_is_asked_for_again_under_its_key_is_the_same(
    client: FlaskClient, dataset: Dataset, sample: Sample, run_job: RunJob
) -> None:
    answers = [
        client.post(f"/v1/datasets/{dataset.id}/versions", json={}, headers={"Idempotency-Key": "once"})
        for _ in range(2)
    ]
    assert answers[0].json == answers[1].json
    run_job(answers[0])
    assert len(client.get(f"/v1/datasets/{dataset.id}/versions").json["items"]) == 1


def test_a_publication_that_was_cancelled_is_shown_as_failed(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    job = client.post(f"/v1/datasets/{dataset.id}/versions", json={}).json
    (publishing,) = client.get(f"/v1/datasets/{dataset.id}/versions").json["items"]
    client.post(f"/v1/jobs/{job['id']}/cancel")
    (failed,) = client.get(f"/v1/datasets/{dataset.id}/versions").json["items"]
    assert (publishing["state"], failed["state"]) == ("publishing", "failed")
    address = f"/v1/datasets/{dataset.id}/versions/{failed['id']}/changes"
    assert client.get(address).json["code"] == "version_state"


def test_two_versions_are_compared(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, publish: Callable[..., str]
) -> None:
    gone, kept = make_sample(sessions, dataset), make_sample(sessions, dataset)
    draw(client, gone)
    first = publish()
    draw(client, sample, "dog")
    client.post(f"/v1/datasets/{dataset.id}/samples/delete", json={"ids": [str(gone.id)]})
    new = make_sample(sessions, dataset)
    second = publish()
    address = f"/v1/datasets/{dataset.id}/versions/{second}/changes"
    found = client.get(address, query_string={"count": "exact"}).json
    assert (found["since"], found["version"]) == (first, second)
    assert {x["sample_id"]: x["change"] for x in found["items"]} == {
        str(sample.id): "changed",
        str(gone.id): "removed",
        str(new.id): "added",
    }
    assert found["counts"] == {
        "samples": {"added": 1, "changed": 1, "removed": 1},
        "annotations": {"added": 1, "changed": 0, "removed": 1},
    }
    assert [(x["before"], x["after"]["name"]) for x in found["labels"]] == [(None, "dog")]
    assert str(kept.id) not in {x["sample_id"] for x in found["items"]}


def test_a_comparison_is_paged_and_filtered(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, sample: Sample, publish: Callable[..., str]
) -> None:
    publish()
    made = sorted(str(make_sample(sessions, dataset).id) for _ in range(5))
    draw(client, sample)
    seen, query = [], {"limit": 2, "change": "added"}
    while True:
        page = client.get(f"/v1/datasets/{dataset.id}/changes", query_string=query).json
        seen += [x["sample_id"] for x in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made


def test_the_working_state_is_compared_with_the_current_version(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    version_id = publish()
    address = f"/v1/datasets/{dataset.id}/changes"
    assert client.get(address).json["items"] == []
    draw(client, sample)
    found = client.get(address).json
    assert (found["since"], found["version"]) == (version_id, None)
    assert [(x["sample_id"], x["annotations"]["added"]) for x in found["items"]] == [(str(sample.id), 1)]


def test_a_version_is_made_current_and_what_was_not_published_is(
    client: FlaskClient, dataset: Dataset, sample: Sample, run_job: RunJob, publish: Callable[..., str]
) -> None:
    version_id = publish()
    draw(client, sample)
    address = f"/v1/datasets/{dataset.id}/versions/{version_id}/set-current"
    forecast = client.post(address, query_string={"dry_run": "true"}).json
    assert (forecast["publishes_first"], forecast["samples_restored"]) == (True, 1)
    result = run_job(client.post(address))
    assert result["samples_restored"] == 1
    assert dashboard(client, dataset) == ("V001", False)
    assert client.get(f"/v1/samples/{sample.id}/annotations").json["annotations"] == []
    assert client.get(f"/v1/datasets/{dataset.id}/labels").json["items"] == []
    saved = client.get(f"/v1/datasets/{dataset.id}/versions/{result['published_version_id']}").json
    assert (saved["name"], saved["annotations"]) == ("V002", 1)


def test_a_deleted_version_can_be_restored_and_its_name_be_taken(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    first = publish("first")
    publish("second")
    versions = f"/v1/datasets/{dataset.id}/versions"
    assert client.delete(f"{versions}/{first}").status_code == 204
    assert client.get(f"{versions}/{first}").status_code == 404
    assert [x["id"] for x in client.get(versions, query_string={"deleted": "true"}).json["items"]] == [first]
    assert client.post(f"{versions}/{first}/restore").json["deleted_at"] is None
    assert len(client.get(versions).json["items"]) == 2
    client.delete(f"{versions}/{first}")
    publish("first")
    assert client.post(f"{versions}/{first}/restore").json["code"] == "name_taken"


def test_the_current_version_is_not_deleted(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    answer = client.delete(f"/v1/datasets/{dataset.id}/versions/{publish()}")
    assert (answer.status_code, answer.json["code"]) == (409, "version_current")


def test_a_description_changes_only_from_the_state_that_was_read(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    address = f"/v1/datasets/{dataset.id}/versions/{publish()}"
    tag = client.get(address).headers["ETag"]
    changed = client.patch(address, json={"description": "checked"}, headers={"If-Match": tag})
    assert changed.json["description"] == "checked"
    late = client.patch(address, json={"description": "late"}, headers={"If-Match": tag})
    assert (late.status_code, late.json["code"]) == (412, "stale_document")
    assert client.delete(address, headers={"If-Match": tag}).status_code == 412


@pytest.mark.parametrize("noun", ["samples", "stats", "search-conditions"])
def test_a_version_of_another_dataset_is_none_of_this_one(
    client: FlaskClient,
    dataset: Dataset,
    sample: Sample,
    sessions: Sessions,
    publish: Callable[..., str],
    noun: str,
) -> None:
    other = make_dataset(sessions)
    answer = client.get(f"/v1/datasets/{other.id}/{noun}", query_string={"version": publish()})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "version_unknown")


def test_a_filter_is_about_a_version_or_about_a_time(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    query = {"version": publish(), "at": "2026-01-01T00:00:00Z"}
    answer = client.get(f"/v1/datasets/{dataset.id}/samples", query_string=query)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "?version")


# Deleting what versions show


def test_a_dry_run_names_the_versions_that_show_the_files(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, publish: Callable[..., str]
) -> None:
    versions = [publish(), publish()]
    other = make_dataset(sessions)
    make_sample(sessions, other, object_key=sample.object_key)
    body = {"ids": [str(sample.id)], "delete_source": True, "dry_run": True}
    found = client.post(f"/v1/datasets/{dataset.id}/samples/delete", json=body).json
    assert [(x["version_id"], x["samples"]) for x in found["versions"]] == [(one, 1) for one in versions]
    assert [x["dataset_id"] for x in found["shared_with"]] == [str(other.id)]


def test_a_dry_run_by_a_filter_of_a_version_counts_what_is_still_there(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, publish: Callable[..., str]
) -> None:
    gone = make_sample(sessions, dataset, name="gone.png")
    version_id = publish()
    client.post(f"/v1/datasets/{dataset.id}/samples/delete", json={"ids": [str(gone.id)]})
    body = {"filter": {"version": version_id, "status": "unlabeled"}, "dry_run": True}
    found = client.post(f"/v1/datasets/{dataset.id}/samples/delete", json=body).json
    assert found["samples"] == 1
    empty = client.post(
        f"/v1/datasets/{dataset.id}/samples/delete", json={"filter": {"version": version_id}, "dry_run": True}
    )
    assert empty.json["errors"][0]["code"] == "selection_empty"


# What a version goes on saying


def pinned_at(client: FlaskClient, dataset: Dataset, version_id: str, sample: Sample) -> TestResponse:
    return client.get(f"/v1/datasets/{dataset.id}/versions/{version_id}/samples/{sample.id}")


def image_at(client: FlaskClient, dataset: Dataset, version_id: str, sample: Sample) -> TestResponse:
    return client.get(f"/v1/datasets/{dataset.id}/versions/{version_id}/samples/{sample.id}/image")


def delete(client: FlaskClient, dataset: Dataset, sample: Sample) -> None:
    body = {"ids": [str(sample.id)], "delete_source": True}
    assert client.post(f"/v1/datasets/{dataset.id}/samples/delete", json=body).status_code == 200


def test_a_version_says_of_an_image_what_was_said_under_the_names_of_then(
    client: FlaskClient, dataset: Dataset, sample: Sample, publish: Callable[..., str]
) -> None:
    drawn = draw(client, sample)
    version_id = publish()
    (label,) = client.get(f"/v1/datasets/{dataset.id}/labels").json["items"]
    client.patch(f"/v1/datasets/{dataset.id}/labels/{label['id']}", json={"name": "lynx"})
    client.delete(f"/v1/samples/{sample.id}/annotations/{drawn}")
    found = pinned_at(client, dataset, version_id, sample).json
    assert [(x["id"], x["label"]) for x in found["annotations"]] == [(drawn, label)]
    assert (found["sample"]["status"], found["file"]["state"]) == ("labeled", "there")


def test_an_image_that_was_deleted_for_good_stays_readable_in_its_version_but_for_its_file(
    client: FlaskClient,
    dataset: Dataset,
    sample: Sample,
    object_store: ObjectStore,
    publish: Callable[..., str],
) -> None:
    drawn = draw(client, sample)
    version_id = publish()
    assert image_at(client, dataset, version_id, sample).data == object_store.read(sample.object_key)
    delete(client, dataset, sample)
    assert client.get(f"/v1/samples/{sample.id}").status_code == 404
    found = pinned_at(client, dataset, version_id, sample).json
    assert [x["id"] for x in found["annotations"]] == [drawn]
    assert (found["sample"]["object_key"], found["sample"]["digest"]) == (sample.object_key, sample.digest)
    assert found["file"]["state"] == "deleted" and found["file"]["deleted_by"] is not None
    gone = image_at(client, dataset, version_id, sample)
    assert (gone.status_code, gone.json["code"]) == (410, "object_gone")
    listed = client.get(f"/v1/datasets/{dataset.id}/samples", query_string={"version": version_id}).json[
        "items"
    ]
    assert [x["id"] for x in listed] == [str(sample.id)]


def test_the_key_of_a_deleted_image_is_free_and_the_new_file_is_not_the_versions(
    client: FlaskClient,
    dataset: Dataset,
    sample: Sample,
    sessions: Sessions,
    object_store: ObjectStore,
    publish: Callable[..., str],
) -> None:
    version_id = publish()
    delete(client, dataset, sample)
    make_sample(sessions, dataset, name=sample.name, object_key=sample.object_key)
    object_store.put(sample.object_key, b"other bytes", content_type="image/png")
    assert image_at(client, dataset, version_id, sample).status_code == 410


def test_files_that_changed_since_are_listed(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, publish: Callable[..., str]
) -> None:
    others = [make_sample(sessions, dataset) for _ in range(2)]
    replaced, missing = others
    version_id = publish()
    address = f"/v1/datasets/{dataset.id}/versions/{version_id}/drift"
    assert client.get(address).json["items"] == []
    with unit_of_work(sessions) as session:
        session.execute(update(Sample).where(Sample.id == replaced.id).values(digest="0" * 64))
        gone = update(Sample).where(Sample.id == missing.id).values(missing_since=func.now())
        session.execute(gone)
    delete(client, dataset, sample)
    found, query = {}, {"limit": 2}
    while True:
        page = client.get(address, query_string=query).json
        found |= {x["sample_id"]: x["state"] for x in page["items"]}
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == {
        str(sample.id): "deleted",
        str(replaced.id): "replaced",
        str(missing.id): "missing",
    }


# Written as files


def test_a_version_is_written_as_files_only_where_the_dataset_has_a_place_for_them(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/versions", json={"write_output": True})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "output_path_missing")


def test_a_version_that_is_to_be_written_queues_its_export(
    client: FlaskClient, dataset: Dataset, sample: Sample, run_job: RunJob
) -> None:
    client.patch(f"/v1/datasets/{dataset.id}", json={"output_path": "out/"})
    result = run_job(client.post(f"/v1/datasets/{dataset.id}/versions", json={"write_output": True}))
    export = client.get(f"/v1/jobs/{result['export_job_id']}").json
    assert (export["kind"], export["state"]) == ("export_dataset", "queued")


def test_a_label_that_is_being_deleted_is_in_the_version_as_long_as_a_document_shows_it(
    client: FlaskClient, dataset: Dataset, sample: Sample, run_job: RunJob, publish: Callable[..., str]
) -> None:
    draw(client, sample)
    (label,) = client.get(f"/v1/datasets/{dataset.id}/labels").json["items"]
    assert client.delete(f"/v1/datasets/{dataset.id}/labels/{label['id']}").status_code == 202
    version_id = publish()
    client.post(f"/v1/datasets/{dataset.id}/labels", json={"name": "cat"})
    found = pinned_at(client, dataset, version_id, sample).json
    assert [x["label"]["name"] for x in found["annotations"]] == ["cat (deleted 1)"]
    run_job(client.post(f"/v1/datasets/{dataset.id}/versions/{version_id}/set-current"))
    assert [x["name"] for x in client.get(f"/v1/datasets/{dataset.id}/labels").json["items"]] == [
        "cat (deleted 1)"
    ]
