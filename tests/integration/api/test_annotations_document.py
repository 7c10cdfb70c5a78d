"""The document as a whole: replaced, emptied, compared with what the sender believed."""

import threading
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from tests.factories import make_contour, make_sample
from tests.integration.api.checked_client import CheckedClient
from tests.integration.api.inventory import Inventory
from werkzeug.test import TestResponse

from fourpoint_api.clients import Clients
from fourpoint_core.domain import annotations as limits
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions

TRIANGLE = {"parts": [{"outer": [[10, 10], [90, 10], [50, 70]], "holes": []}]}
SMALL = {"parts": [{"outer": [[1, 1], [9, 1], [5, 7]], "holes": []}]}


def item(**more: Any) -> dict[str, Any]:
    """A cat of its own id, a triangle unless told otherwise."""
    return {"id": str(uuid4()), "contour": TRIANGLE, "label": "cat", **more}


def address(sample: Sample) -> str:
    return f"/v1/samples/{sample.id}/annotations"


def tag(client: FlaskClient, sample: Sample) -> dict[str, str]:
    return {"If-Match": client.get(address(sample)).headers["ETag"]}


def put(client: FlaskClient, sample: Sample, *items: dict[str, Any], **headers: str) -> TestResponse:
    condition = headers or tag(client, sample)
    return client.put(address(sample), json={"annotations": list(items)}, headers=condition)


def ids(answer: TestResponse) -> list[str]:
    return [found["id"] for found in answer.json["annotations"]]


# Replacing


def test_a_document_is_saved_as_one_revision(client: FlaskClient, sample: Sample) -> None:
    first, second = item(), item(label="dog")
    saved = put(client, sample, first, second)
    assert (saved.status_code, saved.json["revision"]) == (200, 1)
    assert ids(saved) == [first["id"], second["id"]]
    assert client.get(address(sample)).json == saved.json


def test_the_answer_of_a_save_is_what_reading_answers_to_the_letter(
    client: FlaskClient, sessions: Sessions, sample: Sample
) -> None:
    drawn = item(contour=None, contour_id=str(make_contour(sessions, sample).id))
    marked = item(attributes={"fur": "long", "age": 3.0, "a": True, "\u00e9": 0.1})
    saved = put(client, sample, {name: value for name, value in drawn.items() if value is not None}, marked)
    assert client.get(address(sample)).data == saved.data
    changed = put(client, sample, {"id": drawn["id"], "contour": SMALL}, {"id": marked["id"]})
    assert client.get(address(sample)).data == changed.data
    added = client.post(address(sample), json=item(attributes={"bb": 1, "a": 2}))
    assert client.get(f"{address(sample)}/{added.json['id']}").data == added.data


def test_what_is_not_listed_is_deleted(client: FlaskClient, sample: Sample) -> None:
    first, second = item(), item()
    put(client, sample, first, second)
    assert ids(put(client, sample, second)) == [second["id"]]


def test_an_id_alone_keeps_an_object_as_it_is(client: FlaskClient, sample: Sample) -> None:
    first = item(difficult=True, attributes={"pose": "asleep"})
    before = put(client, sample, first).json["annotations"]
    after = put(client, sample, {"id": first["id"]}, item()).json["annotations"]
    assert after[:1] == before


def test_a_save_without_change_makes_no_revision(
    client: FlaskClient, sample: Sample, inventory: Inventory
) -> None:
    first = item()
    saved = put(client, sample, first)
    before = inventory()
    again = put(client, sample, first)
    assert (again.status_code, again.json) == (200, saved.json)
    assert inventory() == before


def test_a_save_that_is_sent_twice_saves_once(client: FlaskClient, sample: Sample) -> None:
    condition, body = tag(client, sample), item()
    first = put(client, sample, body, **condition)
    again = put(client, sample, body, **condition)
    assert (again.status_code, again.json) == (200, first.json)


def test_the_traits_of_an_object_are_kept(client: FlaskClient, sample: Sample) -> None:
    traits = {
        "attributes": {"pose": "asleep", "legs": [1, 2.5, None, True]},
        "visible": False,
        "z_order": -3,
        "difficult": True,
        "occluded": True,
        "truncated": True,
    }
    saved = put(client, sample, item(**traits)).json["annotations"][0]
    assert {name: saved[name] for name in traits} == traits


def test_objects_come_in_painting_order(client: FlaskClient, sample: Sample) -> None:
    top, bottom, middle = item(z_order=2), item(z_order=-1), item()
    assert ids(put(client, sample, top, bottom, middle)) == [bottom["id"], middle["id"], top["id"]]


def test_true_is_not_one(client: FlaskClient, sample: Sample) -> None:
    first = item(attributes={"count": 1})
    put(client, sample, first)
    put(client, sample, {**first, "attributes": {"count": True}})
    saved = client.get(address(sample)).json["annotations"][0]["attributes"]
    assert saved["count"] is True


def test_an_edited_contour_keeps_its_clicks(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    recorded = make_contour(sessions, sample)
    saved = put(client, sample, item(contour=TRIANGLE, contour_id=str(recorded.id))).json["annotations"][0]
    assert (saved["contour"], saved["method"], saved["prompt"]) == (
        TRIANGLE,
        "extreme_points",
        recorded.prompt,
    )


def test_a_later_edit_keeps_the_clicks_too(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    recorded = make_contour(sessions, sample)
    first = item(contour=None, contour_id=str(recorded.id))
    put(client, sample, first)
    saved = put(client, sample, {"id": first["id"], "contour": TRIANGLE}).json["annotations"][0]
    assert (saved["contour"], saved["contour_id"]) == (TRIANGLE, str(recorded.id))


def test_its_own_contour_named_again_takes_no_edit_back(
    client: FlaskClient, sample: Sample, sessions: Sessions
) -> None:
    recorded = make_contour(sessions, sample)
    first = item(contour=TRIANGLE, contour_id=str(recorded.id))
    put(client, sample, first)
    named = {"id": first["id"], "contour_id": str(recorded.id)}
    assert put(client, sample, named).json["annotations"][0]["contour"] == TRIANGLE


def test_an_edit_names_its_editor_and_keeps_the_maker(client: FlaskClient, sample: Sample) -> None:
    first = item()
    made = put(client, sample, first).json["annotations"][0]
    assert (made["edited_by"], made["edited_at"]) == (None, None)
    edited = put(client, sample, {"id": first["id"], "contour": SMALL}).json["annotations"][0]
    assert (edited["created_at"], edited["edited_by"]) == (made["created_at"], str(LOCAL_USER_ID))


def test_new_labels_are_made_in_the_order_of_the_document(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    put(client, sample, item(label="b"), item(label="a"), item(label="b"))
    labels = client.get(f"/v1/datasets/{dataset.id}/labels").json["items"]
    assert [label["name"] for label in labels] == ["b", "a"]


# What is refused

TOO_DEEP: Any = 0
for _ in range(12):
    TOO_DEEP = [TOO_DEEP]
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no outline": ({"contour": None}, "/contour", "required"),
    "no label": ({"label": None}, "/label", "required"),
    "an unknown label": ({"label": None, "label_id": str(uuid4())}, "/label_id", "label_unknown"),
    "two labels": ({"label_id": str(uuid4())}, "/label", "invalid"),
    "an unknown contour": ({"contour": None, "contour_id": str(uuid4())}, "/contour_id", "contour_unknown"),
    "an empty name": ({"label": " "}, "/label", "length"),
    "outside": (
        {"contour": {"parts": [{"outer": [[1, 1], [101, 2], [3, 9]]}]}},
        "/contour/parts/0/outer/1",
        "outside_image",
    ),
    "attributes that are no object": ({"attributes": [1]}, "/attributes", "invalid"),
    "large attributes": ({"attributes": {"a": "x" * 9000}}, "/attributes", "attributes_invalid"),
    "deep attributes": ({"attributes": {"a": TOO_DEEP}}, "/attributes", "attributes_invalid"),
    "a text for a flag": ({"difficult": "no"}, "/difficult", "invalid"),
    "half a layer": ({"z_order": 1.5}, "/z_order", "invalid"),
    "a layer beyond": ({"z_order": 10**9}, "/z_order", "invalid"),
    "somebody's word for the engine": ({"engine": "mine"}, "/engine", "unknown_field"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_object_is_pointed_at_and_nothing_is_stored(
    client: FlaskClient, sample: Sample, inventory: Inventory, what: str
) -> None:
    body, pointer, code = BAD[what]
    wanted = {name: value for name, value in item(**body).items() if value is not None}
    before = inventory()
    answer = put(client, sample, item(label="new"), wanted)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)
    assert answer.json["errors"][0]["pointer"] == f"/annotations/1{pointer}"
    assert inventory() == before


def test_a_number_too_large_for_a_float_is_no_attribute(client: FlaskClient, sample: Sample) -> None:
    body = (
        '{"contour": {"parts": [{"outer": [[1,1],[9,1],[5,7]]}]}, "label": "cat", "attributes": {"a": 1e999}}'
    )
    answer = client.post(address(sample), data=body, content_type="application/json")
    assert answer.json["errors"][0]["code"] == "attributes_invalid"


def test_every_bad_object_is_pointed_at(client: FlaskClient, sample: Sample) -> None:
    answer = put(client, sample, item(label=" "), item(), item(label=" "))
    assert [found["pointer"] for found in answer.json["errors"]] == [
        "/annotations/0/label",
        "/annotations/2/label",
    ]


def test_two_objects_of_one_id_are_refused(client: FlaskClient, sample: Sample) -> None:
    first = item()
    answer = put(client, sample, first, first)
    assert answer.json["errors"][0]["pointer"] == "/annotations/1/id"
    assert answer.json["errors"][0]["code"] == "id_repeated"


def test_a_document_of_too_many_vertices_is_refused(
    client: FlaskClient, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_DOCUMENT_VERTICES", 6)
    put(client, sample, item(), item())
    for answer in (
        put(client, sample, item(), item(), item()),
        client.post(address(sample), json=item()),
    ):
        assert answer.json["errors"][0]["code"] == "document_too_large"


def test_a_document_of_too_many_objects_is_refused(
    client: FlaskClient, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_ANNOTATIONS", 1)
    put(client, sample, item())
    assert client.post(address(sample), json=item()).json["errors"][0]["code"] == "document_too_large"


# Conditions


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_document_is_not_replaced_blindly(client: FlaskClient, sample: Sample, method: str) -> None:
    body = {"annotations": []} if method == "PUT" else None
    answer = client.open(address(sample), method=method, json=body)
    assert (answer.status_code, answer.json["code"]) == (428, "precondition_required")


def test_a_stale_save_hears_what_has_changed(client: FlaskClient, sample: Sample) -> None:
    kept, edited, deleted, added = item(), item(), item(), item()
    put(client, sample, kept, edited, deleted)
    condition = tag(client, sample)
    put(client, sample, kept, {**edited, "contour": SMALL}, added)
    answer = put(client, sample, item(), **condition)
    assert (answer.status_code, answer.json["code"]) == (412, "stale_document")
    assert answer.json["current_etag"] == answer.headers["ETag"] == tag(client, sample)["If-Match"]
    changes = answer.json["changes"]
    assert (changes["since"], changes["current"]) == (1, 2)
    assert [revision["action"] for revision in changes["revisions"]] == ["replace"]
    assert (changes["added"], changes["changed"], changes["removed"]) == (
        [added["id"]],
        [edited["id"]],
        [deleted["id"]],
    )


def test_a_stale_save_of_what_somebody_deleted_is_stale_and_not_wrong(
    client: FlaskClient, sample: Sample
) -> None:
    first = item()
    put(client, sample, first)
    condition = tag(client, sample)
    client.delete(f"{address(sample)}/{first['id']}")
    assert put(client, sample, {"id": first["id"]}, **condition).status_code == 412


def test_a_condition_that_names_nothing_of_ours_is_stale(client: FlaskClient, sample: Sample) -> None:
    answer = put(client, sample, item(), **{"If-Match": '"label-1"'})
    assert answer.status_code == 412
    assert "changes" not in answer.json


def test_a_rename_shows_in_the_tag_and_takes_no_save_away(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    first = put(client, sample, item())
    label = first.json["annotations"][0]["label"]["id"]
    client.patch(f"/v1/datasets/{dataset.id}/labels/{label}", json={"name": "kitten"})
    known = client.get(address(sample), headers={"If-None-Match": first.headers["ETag"]})
    assert known.json["annotations"][0]["label"]["name"] == "kitten"
    assert put(client, sample, item(), **{"If-Match": first.headers["ETag"]}).status_code == 200


def test_of_two_who_save_at_once_one_wins_and_one_hears_of_it(
    app: Flask, client: FlaskClient, admin_token: str, sample: Sample
) -> None:
    condition, start = tag(client, sample), threading.Barrier(2)
    answers: list[TestResponse] = []

    def save() -> None:
        start.wait()
        answers.append(put(CheckedClient(app, admin_token), sample, item(), **condition))

    threads = [threading.Thread(target=save) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    (won,) = (answer for answer in answers if answer.status_code == 200)
    (lost,) = (answer for answer in answers if answer.status_code == 412)
    assert lost.json["changes"]["added"] == ids(won) == ids(client.get(address(sample)))


def test_sixteen_who_save_at_once_lose_nothing(
    app: Flask, client: FlaskClient, admin_token: str, sample: Sample
) -> None:
    saves, writers = 3, 16
    made: list[str] = []

    def save() -> None:
        own = CheckedClient(app, admin_token)
        for _ in range(saves):
            mine = item()
            while True:
                read = own.get(address(sample))
                if read.status_code == 503:
                    continue
                kept = [{"id": found} for found in ids(read)]
                answer = put(own, sample, *kept, mine, **{"If-Match": read.headers["ETag"]})
                if answer.status_code == 200:
                    break
                assert answer.status_code in {412, 503}
            made.append(mine["id"])

    threads = [threading.Thread(target=save) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document = client.get(address(sample))
    assert sorted(ids(document)) == sorted(made)
    assert len(made) == document.json["revision"] == writers * saves


# Emptying


def test_deleting_all_makes_an_image_unlabeled_and_can_be_undone(client: FlaskClient, sample: Sample) -> None:
    first = put(client, sample, item(), item())
    assert client.delete(address(sample), headers=tag(client, sample)).status_code == 204
    assert client.get(f"/v1/samples/{sample.id}").json["status"] == "unlabeled"
    client.post(f"/v1/samples/{sample.id}/undo", headers=tag(client, sample))
    assert ids(client.get(address(sample))) == ids(first)
    assert client.get(f"/v1/samples/{sample.id}").json["status"] == "labeled"


def test_deleting_all_of_nothing_makes_no_revision(client: FlaskClient, sample: Sample) -> None:
    assert client.delete(address(sample), headers=tag(client, sample)).status_code == 204
    assert client.get(address(sample)).json["revision"] == 0


# Cost


def statements_of_a_save(clients: Clients, client: FlaskClient, sample: Sample, count: int) -> int:
    """SQL statements of replacing `count` objects by as many edited, some deleted and some new ones."""
    old = [item() for _ in range(count)]
    put(client, sample, *old)
    condition = tag(client, sample)
    new = [{**found, "contour": SMALL} for found in old[count // 4 :]] + [item() for _ in range(count // 4)]
    seen: list[str] = []
    engine = clients.sessions.kw["bind"]

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        assert put(client, sample, *new, **condition).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(seen)


def test_a_save_of_500_objects_takes_as_many_statements_as_one_of_4(
    api_clients: Clients, client: FlaskClient, sessions: Sessions, dataset: Dataset
) -> None:
    few = statements_of_a_save(api_clients, client, make_sample(sessions, dataset), 4)
    many = statements_of_a_save(api_clients, client, make_sample(sessions, dataset), 500)
    assert many == few <= 16
