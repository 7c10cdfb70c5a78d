"""Deleting images: into the trash and back, for good, by id and by filter, and never all by saying nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from tests.factories import SQUARE_JSON, make_dataset, make_sample
from tests.fakes import FailingDeletions
from tests.integration.api.conftest import PersonMaker
from tests.integration.api.inventory import Inventory
from werkzeug.test import TestResponse

from fourpoint_api.app import create_app
from fourpoint_api.clients import Clients
from fourpoint_api.resources.trash import operations
from fourpoint_core.domain.access import Role
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.derived import thumbnail_key
from fourpoint_core.store.models import Dataset, Job, Sample, UploadIntent
from fourpoint_core.store.queries import tallies
from fourpoint_core.store.session import Sessions, unit_of_work


def delete(client: FlaskClient, dataset: Dataset, *samples: Sample, **more: Any) -> TestResponse:
    body = {"ids": [str(sample.id) for sample in samples]} if samples else {}
    return client.post(f"/v1/datasets/{dataset.id}/samples/delete", json={**body, **more})


def restore(client: FlaskClient, dataset: Dataset, **body: Any) -> TestResponse:
    return client.post(f"/v1/datasets/{dataset.id}/trash/restore", json=body)


def listed(client: FlaskClient, dataset: Dataset, what: str = "samples") -> list[str]:
    return [item["id"] for item in client.get(f"/v1/datasets/{dataset.id}/{what}").json["items"]]


def annotate(client: FlaskClient, sample: Sample) -> None:
    body = {"label": "cat", "contour": SQUARE_JSON}
    assert client.post(f"/v1/samples/{sample.id}/annotations", json=body).status_code in {200, 201}


# Into the trash and back


def test_a_deleted_image_is_in_no_list(client: FlaskClient, dataset: Dataset, sample: Sample) -> None:
    answer = delete(client, dataset, sample)
    assert (answer.status_code, answer.json["samples"]) == (200, 1)
    assert listed(client, dataset) == []


@pytest.mark.parametrize("path", ["", "/image", "/thumbnail", "/annotations"])
def test_a_deleted_image_is_not_found(client: FlaskClient, dataset: Dataset, sample: Sample, path: str) -> None:
    delete(client, dataset, sample)
    assert client.get(f"/v1/samples/{sample.id}{path}").status_code == 404


def test_a_deleted_image_cannot_be_labeled(client: FlaskClient, dataset: Dataset, sample: Sample) -> None:
    delete(client, dataset, sample)
    body = {"label": "cat", "contour": SQUARE_JSON}
    assert client.post(f"/v1/samples/{sample.id}/annotations", json=body).status_code == 404


def test_a_deleted_image_lies_in_the_trash(client: FlaskClient, dataset: Dataset, sample: Sample) -> None:
    deletion = delete(client, dataset, sample).json
    (item,) = client.get(f"/v1/datasets/{dataset.id}/trash").json["items"]
    assert (item["id"], item["deletion_id"]) == (str(sample.id), deletion["deletion_id"])
    assert item["restorable_until"][:10] == deletion["restorable_until"][:10]


def test_its_object_stays_in_the_bucket(
    client: FlaskClient, dataset: Dataset, sample: Sample, object_store: ObjectStore
) -> None:
    delete(client, dataset, sample)
    assert object_store.exists(sample.object_key)


@pytest.mark.parametrize("by", ["ids", "deletion_id"])
def test_what_was_deleted_comes_back_as_it_was(
    client: FlaskClient, dataset: Dataset, sample: Sample, by: str
) -> None:
    annotate(client, sample)
    before = client.get(f"/v1/samples/{sample.id}/annotations").json
    deletion = delete(client, dataset, sample).json
    named = {"ids": [str(sample.id)], "deletion_id": deletion["deletion_id"]}
    assert restore(client, dataset, **{by: named[by]}).json == {"samples": 1}
    assert client.get(f"/v1/samples/{sample.id}/annotations").json == before
    assert listed(client, dataset, "trash") == []


def test_counts_follow_into_the_trash_and_back(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, object_store: ObjectStore
) -> None:
    make_sample(sessions, dataset, object_store)
    annotate(client, sample)

    def counts() -> tuple[dict[str, Any], list[Any]]:
        dashboard = client.get(f"/v1/datasets/{dataset.id}").json["samples"]
        conditions = client.get(f"/v1/datasets/{dataset.id}/search-conditions").json
        return dashboard, [(x["label"]["name"], x["images"]) for x in conditions["labels"]]

    with_it = counts()
    deletion = delete(client, dataset, sample).json
    assert counts() == (
        {**with_it[0], "total": 1, "labeled": 0, "unlabeled": 1, "progress_percent": 0},
        [("cat", 0)],
    )
    restore(client, dataset, deletion_id=deletion["deletion_id"])
    assert counts() == with_it
    assert with_it[1] == [("cat", 1)]


def test_a_label_that_cannot_come_back_keeps_the_images_in_the_trash(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    annotate(client, sample)
    labels = f"/v1/datasets/{dataset.id}/labels"
    (cat,) = client.get(labels).json["items"]
    delete(client, dataset, sample)
    client.delete(f"{labels}/{cat['id']}?policy=samples")
    answer = restore(client, dataset, ids=[str(sample.id)])
    assert (answer.status_code, answer.json["code"]) == (409, "label_deleted")
    assert listed(client, dataset, "trash") == [str(sample.id)]
    # As the answer says.
    client.post(f"{labels}/{cat['id']}/restore")
    assert restore(client, dataset, ids=[str(sample.id)]).json == {"samples": 1}


def test_a_restoration_leaves_out_what_is_not_in_the_trash(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    assert restore(client, dataset, ids=[str(sample.id)]).json == {"samples": 0}


def test_the_trash_of_another_dataset_is_left_alone(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions
) -> None:
    delete(client, dataset, sample)
    other = make_dataset(sessions, "Dogs")
    assert restore(client, other, ids=[str(sample.id)]).json == {"samples": 0}
    assert listed(client, other, "trash") == []


def test_the_trash_is_listed_in_pages(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, object_store: ObjectStore
) -> None:
    thrown = [make_sample(sessions, dataset) for _ in range(5)]
    for sample in thrown:
        delete(client, dataset, sample)
    seen, path = [], f"/v1/datasets/{dataset.id}/trash?limit=2"
    while path:
        answer = client.get(path)
        seen += [item["id"] for item in answer.json["items"]]
        path = answer.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert seen == [str(sample.id) for sample in thrown]


# What is selected


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"filter": {}},
        {"filter": {"status": "all"}},
        {"filter": {"at": "2030-01-01T00:00:00Z"}},
    ],
)
def test_nothing_selected_is_refused_and_never_everything(
    client: FlaskClient, dataset: Dataset, sample: Sample, inventory: Inventory, body: dict[str, Any]
) -> None:
    before = inventory()
    answer = delete(client, dataset, **body, delete_source=True)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "selection_empty")
    assert inventory() == before


def test_ids_and_filter_together_are_refused(client: FlaskClient, dataset: Dataset, sample: Sample) -> None:
    answer = delete(client, dataset, sample, filter={"status": "labeled"})
    assert answer.json["errors"][0]["code"] == "selection_ambiguous"


@pytest.mark.parametrize("flag", ["dry_run", "delete_source"])
def test_a_flag_in_quotes_is_refused(client: FlaskClient, dataset: Dataset, sample: Sample, flag: str) -> None:
    assert delete(client, dataset, sample, **{flag: "false"}).status_code == 422


def test_a_filter_selects(client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions) -> None:
    labeled = make_sample(sessions, dataset)
    annotate(client, labeled)
    assert delete(client, dataset, filter={"status": "labeled"}).json["samples"] == 1
    assert listed(client, dataset) == [str(sample.id)]


def test_what_is_not_there_is_named_and_the_rest_deleted(
    client: FlaskClient, dataset: Dataset, sample: Sample, unknown_id: UUID
) -> None:
    answer = delete(client, dataset, ids=[str(sample.id), str(unknown_id)])
    assert (answer.json["samples"], answer.json["not_found"]) == (1, [str(unknown_id)])


def test_an_image_of_another_dataset_is_not_there(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    foreign = make_sample(sessions, make_dataset(sessions, "Dogs"))
    assert delete(client, dataset, foreign).json["not_found"] == [str(foreign.id)]


def test_a_labeler_deletes_nothing(
    client: FlaskClient, dataset: Dataset, sample: Sample, person: PersonMaker
) -> None:
    assert delete(person(dataset, Role.LABELER), dataset, sample).status_code == 403
    assert listed(client, dataset) == [str(sample.id)]


# What it would do


def test_a_dry_run_counts_and_does_nothing(
    client: FlaskClient, dataset: Dataset, sample: Sample, inventory: Inventory
) -> None:
    annotate(client, sample)
    before = inventory()
    answer = delete(client, dataset, sample, dry_run=True, delete_source=True).json
    assert (answer["samples"], answer["annotations"], answer["deletion_id"]) == (1, 1, None)
    assert inventory() == before
    assert listed(client, dataset) == [str(sample.id)]


def test_a_dry_run_counts_the_files_that_would_go(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, object_store: ObjectStore
) -> None:
    """Not those that another image shows, be it in the trash; and none where they are to stay."""
    shared, thrown = (make_sample(sessions, dataset, object_store) for _ in range(2))
    twin(sessions, shared)
    delete(client, twin(sessions, thrown, "Cows"), filter={"status": "unlabeled"})
    chosen = (sample, shared, thrown)
    assert delete(client, dataset, *chosen, dry_run=True).json["objects_removed"] == 0
    foreseen = delete(client, dataset, *chosen, dry_run=True, delete_source=True).json["objects_removed"]
    assert foreseen == 1
    assert delete(client, dataset, *chosen, delete_source=True).json["objects_removed"] == foreseen


def test_files_that_only_selected_images_show_would_go(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, object_store: ObjectStore
) -> None:
    made = [make_sample(sessions, dataset, object_store) for _ in range(2)]
    answer = delete(client, dataset, filter={"status": "unlabeled"}, dry_run=True, delete_source=True).json
    assert (answer["samples"], answer["objects_removed"]) == (len(made), len(made))


def twin(sessions: Sessions, sample: Sample, name: str = "Dogs") -> Dataset:
    """Another dataset that shows the same object."""
    other = make_dataset(sessions, name)
    make_sample(sessions, other, object_key=sample.object_key)
    return other


def test_a_dry_run_names_the_datasets_that_show_the_same_objects(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions
) -> None:
    other = twin(sessions, sample)
    answer = delete(client, dataset, sample, dry_run=True).json
    assert answer["shared_with"] == [{"dataset_id": str(other.id), "name": "Dogs", "samples": 1}]
    assert answer["shared_elsewhere"] == 0


def test_datasets_that_one_may_not_see_are_counted_and_not_named(
    client: FlaskClient, dataset: Dataset, sample: Sample, sessions: Sessions, person: PersonMaker
) -> None:
    twin(sessions, sample)
    answer = delete(person(dataset, Role.OWNER), dataset, sample, dry_run=True).json
    assert (answer["shared_with"], answer["shared_elsewhere"]) == ([], 1)


# For good


def test_with_its_source_an_image_is_gone_for_good(
    client: FlaskClient, dataset: Dataset, sample: Sample, object_store: ObjectStore, inventory: Inventory
) -> None:
    annotate(client, sample)
    object_store.put(thumbnail_key(sample.digest, 128), b"small", content_type="image/jpeg")
    answer = delete(client, dataset, sample, delete_source=True).json
    assert (answer["objects_removed"], answer["restorable_until"]) == (1, None)
    assert inventory.objects() == []
    rows = inventory.rows()
    assert (rows["samples"], rows["annotations"], rows["upload_intents"]) == (0, 0, 0)


@pytest.mark.parametrize("in_trash", [False, True])
def test_an_object_that_another_dataset_shows_stays(
    client: FlaskClient,
    dataset: Dataset,
    sample: Sample,
    sessions: Sessions,
    object_store: ObjectStore,
    in_trash: bool,
) -> None:
    other = twin(sessions, sample)
    if in_trash:
        delete(client, other, filter={"status": "unlabeled"})
    answer = delete(client, dataset, sample, delete_source=True).json
    assert (answer["samples"], answer["objects_removed"]) == (1, 0)
    assert object_store.exists(sample.object_key)


def test_objects_that_cannot_be_removed_now_are_promised_to_the_sweep(
    api_clients: Clients, admin_token: str, dataset: Dataset, sample: Sample, sessions: Sessions
) -> None:
    broken = replace(api_clients, store=FailingDeletions(api_clients.store))
    client = create_app(broken).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {admin_token}"
    assert delete(client, dataset, sample, delete_source=True).status_code == 200
    with unit_of_work(sessions) as session:
        assert session.get(Sample, sample.id) is None
        assert session.get(UploadIntent, sample.object_key) is not None


# Many


def test_many_are_deleted_by_a_job(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "AT_ONCE", 2)
    samples = [make_sample(sessions, dataset) for _ in range(3)]
    answer = delete(client, dataset, *samples)
    assert (answer.status_code, answer.json["kind"]) == (202, "delete_samples")
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json['id']}"
    with unit_of_work(sessions) as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 1


def test_many_are_restored_by_a_job(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [make_sample(sessions, dataset) for _ in range(3)]
    deletion = delete(client, dataset, *samples).json
    monkeypatch.setattr(operations, "AT_ONCE", 2)
    answer = restore(client, dataset, deletion_id=deletion["deletion_id"])
    assert (answer.status_code, answer.json["kind"]) == (202, "restore_samples")


def test_the_counters_say_what_the_rows_say_after_all_of_it(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    samples = [make_sample(sessions, dataset) for _ in range(4)]
    for sample in samples[:3]:
        annotate(client, sample)
    delete(client, dataset, *samples[:2])
    restore(client, dataset, ids=[str(samples[0].id)])
    delete(client, dataset, samples[2], delete_source=True)
    with unit_of_work(sessions) as session:
        session.execute(update(Sample).values(trashed_at=Sample.trashed_at - timedelta(days=30)))
        totals = tallies.sample_totals(session, dataset.id)
    assert (totals.total, totals.labeled) == (2, 1)
