"""Annotations: added, read, deleted; and what that makes of the image."""

import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from tests.factories import SQUARE_JSON, make_contour, make_sample
from tests.integration.api.inventory import Inventory
from werkzeug.test import TestResponse

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.queries import drafts, labels
from fourpoint_core.store.session import Sessions, unit_of_work

Add = Callable[..., TestResponse]


def ring(*vertices: list[float]) -> dict[str, object]:
    return {"parts": [{"outer": list(vertices)}]}


TRIANGLE = ring([10, 10], [90, 10], [50, 70])


@pytest.fixture
def add(client: FlaskClient, sample: Sample) -> Add:
    """Add an annotation: a triangle that is a cat, unless told otherwise."""

    def post(headers: dict[str, str] | None = None, **body: object) -> TestResponse:
        wanted = {"contour": TRIANGLE, "label": "cat", **body}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        return client.post(f"/v1/samples/{sample.id}/annotations", json=wanted, headers=headers)

    return post


def document(client: FlaskClient, sample: Sample) -> list[dict]:
    return client.get(f"/v1/samples/{sample.id}/annotations").json["annotations"]


def status(client: FlaskClient, sample: Sample) -> str:
    return client.get(f"/v1/samples/{sample.id}").json["status"]


# Adding


def test_an_outline_of_ones_own_is_a_polygon(client: FlaskClient, sample: Sample, add: Add) -> None:
    answer = add()
    assert answer.status_code == 201
    assert (answer.json["method"], answer.json["engine"], answer.json["area"]) == ("polygon", None, 2400)
    assert document(client, sample) == [answer.json]


def test_the_box_is_what_the_outline_spans(add: Add) -> None:
    assert add().json["bbox"] == [10, 10, 90, 70]


def test_an_inferred_contour_brings_its_record(sessions: Sessions, sample: Sample, add: Add) -> None:
    recorded = make_contour(sessions, sample)
    added = add(contour=None, contour_id=str(recorded.id)).json
    assert (added["method"], added["engine"], added["score"]) == ("extreme_points", "fake", 0.9)
    assert (added["contour"], added["prompt"]) == (SQUARE_JSON, recorded.prompt)
    assert added["contour_id"] == str(recorded.id)


def test_a_contour_from_a_box_is_a_polygon(sessions: Sessions, sample: Sample, add: Add) -> None:
    recorded = make_contour(sessions, sample, Prompt(box_prompt=Box(20, 10, 80, 70)))
    assert add(contour=None, contour_id=str(recorded.id)).json["method"] == "polygon"


def test_a_new_label_is_made_on_the_fly(client: FlaskClient, dataset: Dataset, add: Add) -> None:
    add(label="  a new one ")
    labels = client.get(f"/v1/datasets/{dataset.id}/labels").json["items"]
    assert [label["name"] for label in labels] == ["a new one"]


def test_a_known_label_is_used_again(client: FlaskClient, dataset: Dataset, add: Add) -> None:
    first, second = add(), add()
    assert first.json["label"] == second.json["label"]
    assert add(label=None, label_id=first.json["label"]["id"]).json["label"] == first.json["label"]


def test_a_ring_may_repeat_its_first_vertex(add: Add) -> None:
    closed = ring([10, 10], [90, 10], [50, 70], [10, 10])
    assert add(contour=closed).json["contour"]["parts"][0]["outer"] == [[10, 10], [90, 10], [50, 70]]


def test_holes_and_parts_are_kept(add: Add) -> None:
    contour = {
        "parts": [
            {
                "outer": [[0, 0], [40, 0], [40, 40], [0, 40]],
                "holes": [[[10, 10], [20, 10], [20, 20], [10, 20]]],
            },
            {"outer": [[60, 60], [100, 60], [100, 80], [60, 80]], "holes": []},
        ]
    }
    added = add(contour=contour).json
    assert (added["contour"], added["area"]) == (contour, 1600 - 100 + 800)


def test_annotations_come_in_the_order_they_were_made(client: FlaskClient, sample: Sample, add: Add) -> None:
    made = [add().json["id"] for _ in range(3)]
    assert [item["id"] for item in document(client, sample)] == made


# Adding again


def test_the_same_annotation_sent_again_changes_nothing(
    client: FlaskClient, add: Add, inventory: Inventory
) -> None:
    name = str(uuid4())
    first = add(id=name)
    before = inventory()
    again = add(id=name)
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json, again.headers["ETag"]) == (first.json, first.headers["ETag"])
    assert inventory() == before


def test_a_retry_is_recognised_though_its_condition_is_stale_by_now(
    client: FlaskClient, sample: Sample, add: Add
) -> None:
    condition = {"If-Match": client.get(f"/v1/samples/{sample.id}/annotations").headers["ETag"]}
    name = str(uuid4())
    first = add(condition, id=name)
    again = add(condition, id=name)
    assert (again.status_code, again.json) == (200, first.json)


@pytest.mark.parametrize("change", [{"label": "dog"}, {"contour": ring([0, 0], [9, 0], [9, 9])}])
def test_an_id_that_names_something_else_is_taken(
    add: Add, inventory: Inventory, change: dict[str, object]
) -> None:
    name = str(uuid4())
    add(id=name)
    before = inventory()
    answer = add(id=name, **change)
    assert (answer.status_code, answer.json["code"]) == (409, "id_taken")
    assert inventory() == before


def test_the_id_of_what_was_deleted_stays_taken(client: FlaskClient, sample: Sample, add: Add) -> None:
    name = str(uuid4())
    add(id=name)
    client.delete(f"/v1/samples/{sample.id}/annotations/{name}")
    assert add(id=name).json["code"] == "id_taken"


def test_an_id_may_be_used_on_two_images(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, add: Add
) -> None:
    name, other = str(uuid4()), make_sample(sessions, dataset)
    add(id=name)
    body = {"id": name, "contour": TRIANGLE, "label": "cat"}
    assert client.post(f"/v1/samples/{other.id}/annotations", json=body).status_code == 201


# What is refused

FAR = 1e300
BAD: dict[str, tuple[dict[str, object], str, str]] = {
    "no contour": ({"contour": None}, "/contour", "invalid"),
    "an edit of an unknown contour": ({"contour_id": str(UUID(int=1))}, "/contour_id", "contour_unknown"),
    "no label": ({"label": None}, "/label", "invalid"),
    "two labels": ({"label_id": str(UUID(int=1))}, "/label", "invalid"),
    "an unknown label": ({"label": None, "label_id": str(UUID(int=1))}, "/label_id", "label_unknown"),
    "an unknown contour": ({"contour": None, "contour_id": str(UUID(int=1))}, "/contour_id", "contour_unknown"),
    "an id that is none": ({"id": "mine"}, "/id", "invalid"),
    "a label that is no text": ({"label": 5}, "/label", "invalid"),
    "an empty label": ({"label": ""}, "/label", "length"),
    "a label with a line break": ({"label": "a\nb"}, "/label", "control_character"),
    "a list": ({"contour": [[1, 2]]}, "/contour", "invalid"),
    "no parts": ({"contour": {}}, "/contour/parts", "required"),
    "empty parts": ({"contour": {"parts": []}}, "/contour/parts", "invalid"),
    "an unknown field": ({"contour": {**TRIANGLE, "colour": 1}}, "/contour/colour", "unknown_field"),
    "two vertices": ({"contour": ring([1, 1], [2, 2])}, "/contour/parts/0/outer", "invalid"),
    "no point": ({"contour": ring([1, 1], [2, 2], [3])}, "/contour/parts/0/outer/2", "invalid"),
    "text": ({"contour": ring([1, 1], [2, 2], ["3", 3])}, "/contour/parts/0/outer/2", "invalid"),
    "huge": ({"contour": ring([1, 1], [2, 2], [10**400, 3])}, "/contour/parts/0/outer/2", "invalid"),
    "outside": ({"contour": ring([1, 1], [101, 2], [3, 9])}, "/contour/parts/0/outer/1", "outside_image"),
    "far outside": ({"contour": ring([1, 1], [FAR, 2], [3, 9])}, "/contour/parts/0/outer/1", "outside_image"),
    "flat": ({"contour": ring([1, 1], [2, 2], [3, 3])}, "/contour/parts/0/outer", "no_area"),
    "a bow": (
        {"contour": ring([10, 10], [90, 70], [90, 10], [10, 70])},
        "/contour/parts/0/outer/",
        "ring_crosses_itself",
    ),
    "a hole outside": (
        {
            "contour": {
                "parts": [{"outer": [[0, 0], [9, 0], [9, 9]], "holes": [[[50, 50], [60, 50], [60, 60]]]}]
            }
        },
        "/contour/parts/0/holes/0",
        "hole_outside_ring",
    ),
    "too many holes": (
        {
            "contour": {
                "parts": [{"outer": [[0, 0], [99, 0], [0, 79]], "holes": [[[1, 1], [2, 1], [1, 2]]] * 1001}]
            }
        },
        "/contour/parts",
        "too_many_holes",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_annotation_is_pointed_at_and_nothing_is_stored(
    add: Add, inventory: Inventory, what: str
) -> None:
    body, pointer, code = BAD[what]
    before = inventory()
    answer = add(**body)
    assert answer.status_code == 422, answer.json
    first = answer.json["errors"][0]
    assert first["pointer"].startswith(pointer)
    assert first["code"] == code
    assert inventory() == before


def test_the_contour_of_another_image_is_unknown(sessions: Sessions, dataset: Dataset, add: Add) -> None:
    elsewhere = make_contour(sessions, make_sample(sessions, dataset))
    answer = add(contour=None, contour_id=str(elsewhere.id))
    assert answer.json["errors"][0]["code"] == "contour_unknown"


# Conditions


def test_a_condition_on_the_current_revision_holds(client: FlaskClient, sample: Sample, add: Add) -> None:
    tag = client.get(f"/v1/samples/{sample.id}/annotations").headers["ETag"]
    assert add({"If-Match": tag}).status_code == 201


def test_a_stale_condition_names_the_current_revision(
    client: FlaskClient, sample: Sample, add: Add, inventory: Inventory
) -> None:
    old = client.get(f"/v1/samples/{sample.id}/annotations").headers["ETag"]
    new = add().headers["ETag"]
    before = inventory()
    answer = add({"If-Match": old}, label="dog")
    assert (answer.status_code, answer.json["code"]) == (412, "stale_document")
    assert answer.headers["ETag"] == answer.json["current_etag"] == new
    assert inventory() == before


def test_a_stale_condition_deletes_nothing(client: FlaskClient, sample: Sample, add: Add) -> None:
    first = add()
    add()
    address = f"/v1/samples/{sample.id}/annotations/{first.json['id']}"
    assert client.delete(address, headers={"If-Match": first.headers["ETag"]}).status_code == 412
    assert len(document(client, sample)) == 2


def test_who_has_the_document_is_told_so(client: FlaskClient, sample: Sample, add: Add) -> None:
    tag = add().headers["ETag"]
    address = f"/v1/samples/{sample.id}/annotations"
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(address, headers={"If-None-Match": f"W/{tag}"}).status_code == 304
    add()
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 200


def test_two_who_add_at_once_both_count(client: FlaskClient, sample: Sample, add: Add) -> None:
    threads = [threading.Thread(target=add) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(document(client, sample)) == 5
    assert client.get(f"/v1/samples/{sample.id}").json["annotation_count"] == 5


# Deleting, and what it makes of the image


def test_the_first_annotation_makes_an_image_labeled(client: FlaskClient, sample: Sample, add: Add) -> None:
    assert status(client, sample) == "unlabeled"
    add()
    read = client.get(f"/v1/samples/{sample.id}").json
    assert (read["status"], read["labeled_by"]) == ("labeled", str(LOCAL_USER_ID))
    assert read["labeled_at"] is not None


def test_the_last_one_deleted_makes_it_unlabeled_again(client: FlaskClient, sample: Sample, add: Add) -> None:
    ids = [add().json["id"] for _ in range(2)]
    client.delete(f"/v1/samples/{sample.id}/annotations/{ids[0]}")
    assert status(client, sample) == "labeled"
    client.delete(f"/v1/samples/{sample.id}/annotations/{ids[1]}")
    read = client.get(f"/v1/samples/{sample.id}").json
    assert (read["status"], read["labeled_by"], read["labeled_at"]) == ("unlabeled", None, None)


def test_the_tabs_follow(client: FlaskClient, dataset: Dataset, sample: Sample, add: Add) -> None:
    def listed(tab: str) -> int:
        return len(client.get(f"/v1/datasets/{dataset.id}/samples?status={tab}").json["items"])

    assert (listed("all"), listed("labeled"), listed("unlabeled")) == (1, 0, 1)
    add()
    assert (listed("all"), listed("labeled"), listed("unlabeled")) == (1, 1, 0)


def test_deleting_twice_is_not_found(client: FlaskClient, sample: Sample, add: Add) -> None:
    address = f"/v1/samples/{sample.id}/annotations/{add().json['id']}"
    assert client.delete(address).status_code == 204
    assert client.delete(address).json["code"] == "not_found"


def test_the_annotation_of_another_image_is_not_deleted(
    client: FlaskClient, sample: Sample, sessions: Sessions, dataset: Dataset, add: Add
) -> None:
    other = make_sample(sessions, dataset)
    assert client.delete(f"/v1/samples/{other.id}/annotations/{add().json['id']}").status_code == 404
    assert len(document(client, sample)) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "annotations"),
        ("POST", "annotations"),
        ("DELETE", "annotations/01930000-0000-7000-8000-00000000dead"),
        ("GET", "draft"),
        ("DELETE", "draft"),
    ],
)
def test_an_unknown_image_is_not_found(client: FlaskClient, unknown_id: UUID, method: str, path: str) -> None:
    body = {"contour": TRIANGLE, "label": "cat"} if method == "POST" else None
    answer = client.open(f"/v1/samples/{unknown_id}/{path}", method=method, json=body)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


# Drafts


def test_a_draft_is_read_and_thrown_away(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        label, _ = labels.label_named(session, sample.dataset_id, "cat")
        entry = {"id": "1", "contour": SQUARE_JSON, "label_id": str(label.id)}
        drafts.add_to_draft(session, sample, LOCAL_USER_ID, entry)
    address = f"/v1/samples/{sample.id}/draft"
    assert client.get(address).json["annotations"] == [entry]
    assert client.delete(address).status_code == 204
    assert client.get(address).json["code"] == "not_found"


def test_throwing_away_no_draft_is_no_error(client: FlaskClient, sample: Sample) -> None:
    assert client.delete(f"/v1/samples/{sample.id}/draft").status_code == 204


def test_a_draft_makes_no_image_labeled(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        drafts.add_to_draft(session, sample, LOCAL_USER_ID, {"id": "1"})
    assert status(client, sample) == "unlabeled"
