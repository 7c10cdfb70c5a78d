"""Datasets and their labels."""

import threading
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from tests.factories import make_dataset, make_sample
from tests.integration.api.inventory import Inventory

from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.models import Dataset, Job, Sample
from fourpoint_core.store.queries import datasets
from fourpoint_core.store.session import Sessions, unit_of_work


def create(client: FlaskClient, **body: object) -> dict:
    answer = client.post("/v1/datasets", json={"name": "Cats", **body})
    assert answer.status_code == 201, answer.json
    return answer.json


def refusal(client: FlaskClient, **body: object) -> tuple[int, str, str]:
    answer = client.post("/v1/datasets", json={"name": "Cats", **body})
    return answer.status_code, answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]


def test_a_new_dataset_can_be_read_where_the_answer_says(client: FlaskClient) -> None:
    answer = client.post("/v1/datasets", json={"name": "Cats", "description": "All of them"})
    read = client.get(answer.headers["Location"])
    made = {name: value for name, value in answer.json.items() if name != "sync_job_id"}
    assert read.json == {
        **made,
        "samples": {"total": 0, "labeled": 0, "unlabeled": 0, "missing": 0, "progress_percent": 0},
        "current_version": None,
        "has_unpublished_changes": False,
    }


def test_a_dataset_gets_a_folder_of_its_own(client: FlaskClient) -> None:
    made = create(client)
    assert made["input_path"] == f"datasets/{made['id']}/"


def test_an_input_path_ends_with_one_slash(client: FlaskClient) -> None:
    assert create(client, input_path="photos/cats")["input_path"] == "photos/cats/"


def test_a_dataset_comes_with_its_first_labels(client: FlaskClient) -> None:
    made = create(client, labels=[{"name": "cat"}, {"name": "dog", "colour": "#ABCDEF"}])
    labels = client.get(f"/v1/datasets/{made['id']}/labels").json["items"]
    assert [(label["name"], label["colour"], label["mask_index"]) for label in labels] == [
        ("cat", "#3399ff", 1),
        ("dog", "#ABCDEF", 2),
    ]


def test_a_label_is_named_once(client: FlaskClient) -> None:
    body = {"name": "cats", "labels": [{"name": "cat", "colour": "#111111"}, {"name": " cat "}]}
    answer = client.post("/v1/datasets", json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/labels/1/name")
    assert client.get("/v1/datasets").json["items"] == []


def test_names_are_the_same_however_their_accents_are_typed(client: FlaskClient) -> None:
    create(client, name="Caf\u00e9")
    assert client.post("/v1/datasets", json={"name": "Cafe\u0301"}).json["code"] == "name_taken"


def test_spaces_around_a_name_are_dropped(client: FlaskClient) -> None:
    assert create(client, name="  Cats ")["name"] == "Cats"


def test_a_name_may_be_any_text(client: FlaskClient) -> None:
    body = rb'{"name": "\ud83d\ude3a"}'
    answer = client.post("/v1/datasets", data=body, content_type="application/json")
    assert answer.json["name"] == "\N{SMILING CAT FACE WITH OPEN MOUTH}"


def test_a_name_is_taken_once(client: FlaskClient) -> None:
    create(client)
    answer = client.post("/v1/datasets", json={"name": "Cats"})
    assert (answer.status_code, answer.json["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 101, "a\nb", "a\x7fb", "a\x85b", 5, None, ["Cats"], {"a": 1}, True]
)
def test_a_name_that_is_none_is_refused(client: FlaskClient, inventory: Inventory, name: object) -> None:
    before = inventory()
    assert refusal(client, name=name)[:2] == (422, "/name")
    assert inventory() == before


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/absolute",
        "../up",
        "a/../b",
        "a//b",
        "./a",
        "a\x01b",
        "",
        "x" * 256,
        "é" * 700,
        "derived/thumbnails",
        "derived",
        ".fourpoint-tmp/x",
        7,
    ],
)
def test_an_input_path_that_no_store_can_hold_is_refused(
    client: FlaskClient, inventory: Inventory, path: object
) -> None:
    before = inventory()
    assert refusal(client, input_path=path)[:2] == (422, "/input_path")
    assert inventory() == before


@pytest.mark.parametrize(
    ("labels", "pointer"),
    [
        ([{"name": "a\u0007"}], "/labels/0/name"),
        ([{"name": "ok"}, {"name": " "}], "/labels/1/name"),
        ([{"name": "x" * 257}], "/labels/0/name"),
        ([{"name": "ok", "colour": "red"}], "/labels/0/colour"),
        ([{"name": "ok", "colour": "#12345\n"}], "/labels/0/colour"),
        ([{"name": "ok", "size": 1}], "/labels/0/size"),
        ([{}], "/labels/0/name"),
        (["cat"], "/labels/0"),
        ({"name": "cat"}, "/labels"),
    ],
)
def test_a_bad_label_is_pointed_at(
    client: FlaskClient, inventory: Inventory, labels: object, pointer: str
) -> None:
    before = inventory()
    assert refusal(client, labels=labels)[:2] == (422, pointer)
    assert inventory() == before


def test_an_unknown_field_is_pointed_at(client: FlaskClient) -> None:
    assert refusal(client, **{"a/b~c": 1}) == (422, "/a~1b~0c", "unknown_field")


def test_a_missing_name_is_pointed_at(client: FlaskClient) -> None:
    answer = client.post("/v1/datasets", json={})
    assert answer.json["errors"] == [
        {"pointer": "/name", "code": "required", "detail": "Missing data for required field."}
    ]


def test_renaming_changes_the_name_and_the_etag(client: FlaskClient) -> None:
    made = client.post("/v1/datasets", json={"name": "Cats"})
    address = made.headers["Location"]
    changed = client.patch(address, json={"name": "Dogs"})
    assert (changed.json["name"], changed.json["id"]) == ("Dogs", made.json["id"])
    assert changed.headers["ETag"] != made.headers["ETag"]


def test_describing_keeps_the_name(client: FlaskClient, dataset: Dataset) -> None:
    changed = client.patch(f"/v1/datasets/{dataset.id}", json={"description": "new"}).json
    assert (changed["name"], changed["description"]) == ("Cats", "new")


def test_renaming_to_a_taken_name_is_a_conflict(client: FlaskClient, dataset: Dataset) -> None:
    create(client, name="Dogs")
    answer = client.patch(f"/v1/datasets/{dataset.id}", json={"name": "Dogs"})
    assert (answer.status_code, answer.json["code"]) == (409, "name_taken")


def test_of_two_who_take_a_name_at_once_one_gets_it(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    answers = []
    with unit_of_work(sessions) as session:
        datasets.add_dataset(session, "Dogs", "", None, LOCAL_USER_ID)
        renaming = threading.Thread(
            target=lambda: answers.append(client.patch(f"/v1/datasets/{dataset.id}", json={"name": "Dogs"}))
        )
        renaming.start()
        renaming.join(0.3)
    renaming.join()
    assert answers[0].json["code"] == "name_taken"


def test_a_dataset_may_keep_its_own_name(client: FlaskClient, dataset: Dataset) -> None:
    assert client.patch(f"/v1/datasets/{dataset.id}", json={"name": "Cats"}).status_code == 200


def test_a_change_against_an_older_state_is_refused(client: FlaskClient) -> None:
    made = client.post("/v1/datasets", json={"name": "Cats"})
    address, old = made.headers["Location"], made.headers["ETag"]
    new = client.patch(address, json={"name": "Dogs"}).headers["ETag"]
    answer = client.patch(address, json={"name": "Birds"}, headers={"If-Match": old})
    assert (answer.status_code, answer.json["code"]) == (412, "stale_document")
    assert answer.json["current_etag"] == answer.headers["ETag"] == new


@pytest.mark.parametrize("condition", ['"dataset-1"', "*", '"other", "dataset-1"'])
def test_a_change_against_the_current_state_is_made(
    client: FlaskClient, dataset: Dataset, condition: str
) -> None:
    answer = client.patch(f"/v1/datasets/{dataset.id}", json={"name": "Dogs"}, headers={"If-Match": condition})
    assert answer.status_code == 200


@pytest.mark.parametrize("condition", ['W/"dataset-1"', "nonsense", '"', '""', "\x00", '"dataset-10-0-0"'])
def test_an_if_match_that_names_no_state_never_holds(
    client: FlaskClient, dataset: Dataset, condition: str
) -> None:
    answer = client.patch(f"/v1/datasets/{dataset.id}", json={"name": "Dogs"}, headers={"If-Match": condition})
    assert answer.status_code == 412


def test_a_dashboard_that_is_known_is_not_sent_again(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    address = f"/v1/datasets/{dataset.id}"
    known = {"If-None-Match": client.get(address).headers["ETag"]}
    answer = client.get(address, headers=known)
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", known["If-None-Match"])
    make_sample(sessions, dataset)
    assert client.get(address, headers=known).status_code == 200


def test_what_was_counted_meanwhile_is_no_change_of_the_dataset(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    address = f"/v1/datasets/{dataset.id}"
    read = {"If-Match": client.get(address).headers["ETag"]}
    make_sample(sessions, dataset)
    assert client.patch(address, json={"name": "Dogs"}, headers=read).status_code == 200
    assert client.patch(address, json={"name": "Birds"}, headers=read).status_code == 412


def test_progress_counts_labeled_images(client: FlaskClient, dataset: Dataset, sessions: Sessions) -> None:
    for count in (0, 0, 2):
        make_sample(sessions, dataset, annotation_count=count)
    totals = client.get(f"/v1/datasets/{dataset.id}").json["samples"]
    assert totals == {"total": 3, "labeled": 1, "unlabeled": 2, "missing": 0, "progress_percent": 33}


def test_a_deleted_dataset_is_gone_at_once_with_its_images(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    assert client.delete(f"/v1/datasets/{dataset.id}").status_code == 202
    for address in (
        f"/v1/datasets/{dataset.id}",
        f"/v1/datasets/{dataset.id}/samples",
        f"/v1/datasets/{dataset.id}/labels",
        f"/v1/samples/{sample.id}",
        f"/v1/samples/{sample.id}/image",
        f"/v1/samples/{sample.id}/annotations",
    ):
        assert client.get(address).json["code"] == "not_found"
    assert client.get("/v1/datasets").json["items"] == []


def test_a_deleted_dataset_gives_its_name_free(client: FlaskClient, dataset: Dataset) -> None:
    client.delete(f"/v1/datasets/{dataset.id}")
    create(client)


@pytest.mark.parametrize(("query", "expected"), [("", False), ("?delete_objects=true", True)])
def test_the_purge_keeps_the_objects_unless_told_otherwise(
    client: FlaskClient, dataset: Dataset, sessions: Sessions, query: str, expected: bool
) -> None:
    job_id = client.delete(f"/v1/datasets/{dataset.id}{query}").json["id"]
    with unit_of_work(sessions) as session:
        job = session.get_one(Job, UUID(job_id))
    assert (job.kind, job.queue, job.payload["delete_objects"]) == ("purge_dataset", "io", expected)


def test_deleting_twice_is_not_found(client: FlaskClient, dataset: Dataset) -> None:
    client.delete(f"/v1/datasets/{dataset.id}")
    assert client.delete(f"/v1/datasets/{dataset.id}").status_code == 404


def test_a_wish_that_is_neither_true_nor_false_deletes_nothing(client: FlaskClient, dataset: Dataset) -> None:
    answer = client.delete(f"/v1/datasets/{dataset.id}?delete_objects=perhaps")
    assert answer.json["errors"][0]["pointer"] == "?delete_objects"
    assert client.get(f"/v1/datasets/{dataset.id}").status_code == 200


def test_a_label_is_made_once(client: FlaskClient, dataset: Dataset) -> None:
    first = client.post(f"/v1/datasets/{dataset.id}/labels", json={"name": "cat"})
    again = client.post(f"/v1/datasets/{dataset.id}/labels", json={"name": "cat", "colour": "#000000"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json


def test_labels_made_at_once_get_indexes_of_their_own(client: FlaskClient, dataset: Dataset) -> None:
    address = f"/v1/datasets/{dataset.id}/labels"
    threads = [
        threading.Thread(target=client.post, args=[address], kwargs={"json": {"name": f"label {n % 3}"}})
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [label["mask_index"] for label in client.get(address).json["items"]] == [1, 2, 3]


def test_labels_of_two_datasets_do_not_meet(client: FlaskClient, dataset: Dataset, sessions: Sessions) -> None:
    other = make_dataset(sessions)
    client.post(f"/v1/datasets/{dataset.id}/labels", json={"name": "cat"})
    assert client.get(f"/v1/datasets/{other.id}/labels").json["items"] == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/labels"), ("POST", "/labels")]
)
def test_an_unknown_dataset_is_not_found(client: FlaskClient, unknown_id: UUID, method: str, path: str) -> None:
    body = {"name": "x"} if method in {"PATCH", "POST"} else None
    answer = client.open(f"/v1/datasets/{unknown_id}{path}", method=method, json=body)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


# Finding datasets

FOUND = [("cat", ["Cats", "Wildcats"]), ("WILD", ["Wildcats"]), ("%", ["100% dogs"]), ("_", []), ("bird", [])]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_datasets_are_found_by_a_part_of_their_name(
    client: FlaskClient, sessions: Sessions, text: str, expected: list[str]
) -> None:
    for name in ("Cats", "100% dogs", "Wildcats"):
        make_dataset(sessions, name)
    found = client.get("/v1/datasets", query_string={"name_contains": text, "count": "exact"}).json
    assert ([one["name"] for one in found["items"]], found["total"]) == (expected, len(expected))


def test_a_search_of_datasets_goes_on_page_by_page(client: FlaskClient, sessions: Sessions) -> None:
    for name in ("Cats", "Dogs", "Wildcats"):
        make_dataset(sessions, name)
    first = client.get("/v1/datasets?name_contains=cat&limit=1")
    cursor = first.json["next_cursor"]
    second = client.get(first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert [one["name"] for one in second.json["items"]] == ["Wildcats"]
    other = client.get("/v1/datasets", query_string={"name_contains": "dog", "cursor": cursor})
    assert other.json["errors"][0]["code"] == "cursor_invalid"


@pytest.mark.parametrize("text", ["", "\0", "a" * 101])
def test_a_search_for_no_name_is_pointed_at(client: FlaskClient, text: str) -> None:
    answer = client.get("/v1/datasets", query_string={"name_contains": text})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "?name_contains")
