"""Labels: made, changed, merged, deleted and brought back."""

import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.factories import make_dataset
from tests.integration.api.checked_client import CheckedClient
from tests.integration.api.conftest import PersonMaker
from tests.integration.api.inventory import Inventory
from werkzeug.test import TestResponse

from fourpoint_core.domain.access import Role
from fourpoint_core.store.models import Dataset, Job, Sample
from fourpoint_core.store.session import Sessions, unit_of_work

TRIANGLE = {"parts": [{"outer": [[10, 10], [90, 10], [50, 70]], "holes": []}]}


@pytest.fixture
def base(dataset: Dataset) -> str:
    """Where the labels are."""
    return f"/v1/datasets/{dataset.id}/labels"


def make(client: FlaskClient, base: str, name: str, **more: Any) -> dict[str, Any]:
    return client.post(base, json={"name": name, **more}).json


def annotate(client: FlaskClient, sample: Sample, **label: Any) -> TestResponse:
    body = {"id": str(uuid4()), "contour": TRIANGLE, **label}
    return client.post(f"/v1/samples/{sample.id}/annotations", json=body)


def names(client: FlaskClient, base: str) -> list[str]:
    return [label["name"] for label in client.get(base).json["items"]]


# Making and reading


def test_a_label_has_what_it_was_given(client: FlaskClient, base: str) -> None:
    made = make(client, base, "cat", colour="#FF8800", shortcut="Shift+C")
    assert (made["colour"], made["shortcut"], made["mask_index"]) == ("#FF8800", "Shift+C", 1)
    read = client.get(f"{base}/{made['id']}")
    assert read.json == made
    assert (
        client.get(f"{base}/{made['id']}", headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    )


@pytest.mark.parametrize("name", ["猫", "chat noir", "a/b", "кошка", "🐈", "x" * 256])
def test_a_name_may_be_of_any_language(client: FlaskClient, base: str, name: str) -> None:
    assert make(client, base, name)["name"] == name


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "a\tb"}, "/name"),
        ({"name": "   "}, "/name"),
        ({"name": "x" * 257}, "/name"),
        ({"name": "a", "colour": "red"}, "/colour"),
        ({"name": "a", "colour": "#12345g"}, "/colour"),
        ({"name": "a", "shortcut": ""}, "/shortcut"),
        ({"name": "a", "shortcut": "x" * 33}, "/shortcut"),
        ({"name": "a", "shortcut": "a\nb"}, "/shortcut"),
        ({"name": "a", "mask_index": 7}, "/mask_index"),
    ],
)
def test_a_label_that_is_none_is_refused(
    client: FlaskClient, base: str, inventory: Inventory, body: dict[str, Any], pointer: str
) -> None:
    before = inventory()
    answer = client.post(base, json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert inventory() == before


def test_a_shortcut_chooses_one_label(client: FlaskClient, base: str, inventory: Inventory) -> None:
    make(client, base, "cat", shortcut="c")
    before = inventory()
    answer = client.post(base, json={"name": "cow", "shortcut": "c"})
    assert (answer.status_code, answer.json["code"]) == (409, "shortcut_taken")
    assert inventory() == before


def test_shortcuts_of_two_datasets_do_not_meet(client: FlaskClient, base: str, sessions: Sessions) -> None:
    make(client, base, "cat", shortcut="c")
    other = make_dataset(sessions)
    assert make(client, f"/v1/datasets/{other.id}/labels", "cat", shortcut="c")["shortcut"] == "c"


def test_a_dataset_is_not_made_with_one_shortcut_for_two(client: FlaskClient, inventory: Inventory) -> None:
    before = inventory()
    labels = [{"name": "a", "shortcut": "x"}, {"name": "b", "shortcut": "x"}]
    answer = client.post("/v1/datasets", json={"name": "New", "labels": labels})
    assert answer.json["code"] == "shortcut_taken"
    assert inventory() == before


def test_labels_made_at_once_have_mask_indexes_of_their_own(
    app: Flask, client: FlaskClient, admin_token: str, base: str
) -> None:
    def work(name: str) -> None:
        CheckedClient(app, admin_token).post(base, json={"name": name})

    threads = [threading.Thread(target=work, args=(f"label {number % 5}",)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = client.get(base).json["items"]
    assert [label["mask_index"] for label in made] == [1, 2, 3, 4, 5]


# Changing


def test_a_rename_and_a_new_colour_show_on_every_annotation_at_once(
    client: FlaskClient, base: str, sample: Sample
) -> None:
    made = annotate(client, sample, label="cat").json["label"]
    changed = client.patch(f"{base}/{made['id']}", json={"name": "kitten", "colour": "#000001"}).json
    document = client.get(f"/v1/samples/{sample.id}/annotations").json
    assert document["annotations"][0]["label"] == changed
    assert document["revision"] == 1


def test_what_is_left_out_stays(client: FlaskClient, base: str) -> None:
    made = make(client, base, "cat", shortcut="c")
    assert client.patch(f"{base}/{made['id']}", json={"name": "dog"}).json == {**made, "name": "dog"}
    assert client.patch(f"{base}/{made['id']}", json={"shortcut": None}).json["shortcut"] is None


def test_a_name_and_a_shortcut_may_be_given_again_to_their_owner(client: FlaskClient, base: str) -> None:
    made = make(client, base, "cat", shortcut="c")
    again = client.patch(f"{base}/{made['id']}", json={"name": "cat", "shortcut": "c"})
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("body", "code"), [({"name": "dog"}, "name_taken"), ({"shortcut": "d"}, "shortcut_taken")]
)
def test_what_another_label_has_is_taken(
    client: FlaskClient, base: str, body: dict[str, str], code: str
) -> None:
    make(client, base, "dog", shortcut="d")
    answer = client.patch(f"{base}/{make(client, base, 'cat')['id']}", json=body)
    assert (answer.status_code, answer.json["code"]) == (409, code)


def test_a_stale_change_is_refused(client: FlaskClient, base: str) -> None:
    address = f"{base}/{make(client, base, 'cat')['id']}"
    tag = client.get(address).headers["ETag"]
    assert client.patch(address, json={"name": "dog"}, headers={"If-Match": tag}).status_code == 200
    answer = client.patch(address, json={"name": "cow"}, headers={"If-Match": tag})
    assert (answer.status_code, answer.json["code"]) == (412, "stale_document")


def test_a_change_of_nothing_is_refused(client: FlaskClient, base: str) -> None:
    assert client.patch(f"{base}/{make(client, base, 'cat')['id']}", json={}).status_code == 422


def test_renaming_while_others_annotate_stalls_nobody(
    app: Flask, client: FlaskClient, admin_token: str, base: str, sample: Sample
) -> None:
    made = make(client, base, "cat")
    answers: list[int] = []

    def rename(number: int) -> None:
        own = CheckedClient(app, admin_token)
        answers.append(own.patch(f"{base}/{made['id']}", json={"name": f"cat {number}"}).status_code)

    def add(number: int) -> None:
        label = {"label_id": made["id"]} if number % 2 else {"label": f"new {number}"}
        answers.append(annotate(CheckedClient(app, admin_token), sample, **label).status_code)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5) for work in (rename, add)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 5 + [201] * 5


# Merging and deleting


def test_a_merge_counts_first(client: FlaskClient, base: str, sample: Sample, inventory: Inventory) -> None:
    source, target = make(client, base, "kat"), make(client, base, "cat")
    for _ in range(2):
        annotate(client, sample, label="kat")
    before = inventory()
    answer = client.post(f"{base}/{source['id']}/merge", json={"into": target["id"], "dry_run": True})
    assert (answer.status_code, answer.json) == (
        200,
        {"label_id": source["id"], "annotations": 2, "samples": 1},
    )
    assert inventory() == before


def test_a_merged_label_is_out_of_use_at_once(client: FlaskClient, base: str, sample: Sample) -> None:
    source, target = make(client, base, "kat"), make(client, base, "cat")
    answer = client.post(f"{base}/{source['id']}/merge", json={"into": target["id"]})
    assert (answer.status_code, answer.json["kind"]) == (202, "merge_label")
    assert names(client, base) == ["cat"]
    refused = annotate(client, sample, label_id=source["id"])
    assert refused.json["errors"][0]["code"] == "label_unknown"


def test_an_edit_during_a_merge_takes_the_new_label(client: FlaskClient, base: str, sample: Sample) -> None:
    made = annotate(client, sample, label="kat").json
    target = make(client, base, "cat")
    client.post(f"{base}/{made['label']['id']}/merge", json={"into": target["id"]})
    address = f"/v1/samples/{sample.id}/annotations/{made['id']}"
    assert client.patch(address, json={"difficult": True}).json["label"]["name"] == "cat"


@pytest.mark.parametrize("into", ["itself", "nothing"])
def test_a_label_is_merged_into_another_that_exists(client: FlaskClient, base: str, into: str) -> None:
    made = make(client, base, "cat")
    target = made["id"] if into == "itself" else str(uuid4())
    answer = client.post(f"{base}/{made['id']}/merge", json={"into": target})
    assert answer.json["errors"][0]["code"] == "label_unknown"
    assert names(client, base) == ["cat"]


@pytest.mark.parametrize("policy", ["label", "samples", "samples_and_source"])
def test_a_deletion_counts_first_and_then_is_a_job(
    client: FlaskClient, base: str, sample: Sample, sessions: Sessions, policy: str
) -> None:
    made = annotate(client, sample, label="cat").json["label"]
    address = f"{base}/{made['id']}?policy={policy}"
    assert client.delete(f"{address}&dry_run=true").json["samples"] == 1
    assert names(client, base) == ["cat"]
    answer = client.delete(address)
    assert (answer.status_code, names(client, base)) == (202, [])
    with unit_of_work(sessions) as session:
        assert session.get_one(Job, UUID(answer.json["id"])).payload["policy"] == policy


def test_an_unknown_policy_is_refused(client: FlaskClient, base: str) -> None:
    answer = client.delete(f"{base}/{make(client, base, 'cat')['id']}?policy=everything")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "?policy")


def test_a_name_is_free_after_a_deletion_and_the_mask_index_never(client: FlaskClient, base: str) -> None:
    first = make(client, base, "cat", shortcut="c")
    client.delete(f"{base}/{first['id']}")
    second = make(client, base, "cat", shortcut="c")
    assert (second["id"] != first["id"], second["mask_index"]) == (True, 2)


def test_deleting_twice_is_not_found(client: FlaskClient, base: str) -> None:
    address = f"{base}/{make(client, base, 'cat')['id']}"
    client.delete(address)
    assert client.delete(address).status_code == 404
    assert client.get(address).status_code == 404


def test_a_deleted_label_comes_back(client: FlaskClient, base: str) -> None:
    made = make(client, base, "cat")
    client.delete(f"{base}/{made['id']}")
    assert client.post(f"{base}/{made['id']}/restore").json == made
    assert client.post(f"{base}/{made['id']}/restore").json == made


def test_a_label_does_not_come_back_under_a_name_that_is_taken(client: FlaskClient, base: str) -> None:
    made = make(client, base, "cat")
    client.delete(f"{base}/{made['id']}")
    make(client, base, "cat")
    assert client.post(f"{base}/{made['id']}/restore").json["code"] == "name_taken"


def test_only_an_owner_merges_and_deletes(
    person: PersonMaker, dataset: Dataset, client: FlaskClient, base: str
) -> None:
    made = make(client, base, "cat")
    labeler = person(dataset, Role.LABELER)
    assert labeler.patch(f"{base}/{made['id']}", json={"colour": "#010203"}).status_code == 200
    assert labeler.delete(f"{base}/{made['id']}").status_code == 403
    merge = {"into": made["id"]}
    assert labeler.post(f"{base}/{made['id']}/merge", json=merge).status_code == 403


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_the_label_of_another_dataset_is_not_found(
    client: FlaskClient, base: str, sessions: Sessions, method: str
) -> None:
    other = make(client, f"/v1/datasets/{make_dataset(sessions).id}/labels", "cat")
    body = {"name": "dog"} if method == "PATCH" else None
    assert client.open(f"{base}/{other['id']}", method=method, json=body).status_code == 404
