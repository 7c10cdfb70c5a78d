"""Filters over HTTP: parameters, cursors, saved filters and what a form can offer."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event
from tests.factories import make_sample
from tests.integration.store.documents import Object, make_label, save_document

from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions


def ids(client: FlaskClient, dataset: Dataset, query: str) -> list[str]:
    answer = client.get(f"/v1/datasets/{dataset.id}/samples?{query}")
    assert answer.status_code == 200, answer.json
    return [item["id"] for item in answer.json["items"]]


@pytest.fixture
def cats(sessions: Sessions, dataset: Dataset) -> list[Sample]:
    """Three images; the first two have a cat, the second a dog, too."""
    made = [
        make_sample(
            sessions,
            dataset,
            name=f"{name}.png",
            object_key=f"{dataset.input_path}{folder}/{name}.png",
            size_bytes=size,
        )
        for name, folder, size in (("Mia", "cats/old", 30), ("100%", "cats", 20), ("a_b", "dogs", 10))
    ]
    cat, dog = (make_label(sessions, dataset, name, i).id for i, name in enumerate(("cat", "dog"), 1))
    save_document(sessions, made[0].id, [Object(cat, attributes={"fur": "long"}), Object(cat)])
    save_document(sessions, made[1].id, [Object(cat, difficult=True), Object(dog), Object(dog)])
    return made


def label_ids(client: FlaskClient, dataset: Dataset) -> dict[str, str]:
    items = client.get(f"/v1/datasets/{dataset.id}/labels").json["items"]
    return {item["name"]: item["id"] for item in items}


@pytest.mark.parametrize("typed", ["caf\u00e9", "cafe\u0301", "CAF\u00c9"])
def test_a_name_is_found_in_whichever_unicode_form(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, typed: str
) -> None:
    made = [
        make_sample(sessions, dataset, name=f"{name}.png", object_key=f"{dataset.input_path}{name}/1.png")
        for name in ("caf\u00e9", "cafe\u0301", "cafe")
    ]
    expected = [str(sample.id) for sample in made[:2]]
    assert ids(client, dataset, f"name_contains={quote(typed)}") == expected
    prefix = f"{dataset.input_path}{typed.lower()}/"
    assert ids(client, dataset, f"path_prefix={quote(prefix)}") == expected


CASES: list[tuple[str, list[int]]] = [
    ("status=labeled", [0, 1]),
    ("status=unlabeled", [2]),
    ("label_id={cat}", [0, 1]),
    ("label_id={cat}&label_id={dog}", [0, 1]),
    ("label_id={cat}&label_id={dog}&label_match=all", [1]),
    ("name_contains=%25", [1]),
    ("name_contains=_", [2]),
    ("name_contains=MI", [0]),
    ("path_prefix={prefix}cats/", [0, 1]),
    ("path_prefix={prefix}cats/old", [0]),
    ("labeled_by={somebody}", [0, 1]),
    ("labeled_by={nobody}", []),
    ("labeled_by={nobody}&labeled_by={somebody}", [0, 1]),
    ("not_labeled_by={somebody}", [2]),
    ("created_after=2000-01-01T00:00:00Z&created_before=9000-01-01T00:00:00Z", [0, 1, 2]),
    ("difficult=true", [1]),
    ("difficult=false", [0, 2]),
    ("attribute=fur:long", [0]),
    ("attribute=fur:short", []),
    ("never_labeled=true", [2]),
    ("created_within=1d", [0, 1, 2]),
    ("created_before=2000-01-01T00:00:00Z", []),
    ("at=2000-01-01T00:00:00Z", []),
    ("sort=size", [2, 1, 0]),
    ("sort=-annotation_count", [1, 0, 2]),
    ("sort=name", [1, 0, 2]),
    ("status=labeled&label_id={cat}&name_contains=m&path_prefix={prefix}cats/&created_within=1mo", [0]),
]


@pytest.mark.parametrize(("query", "expected"), CASES)
def test_a_filter_finds_what_it_says(
    client: FlaskClient, dataset: Dataset, cats: list[Sample], query: str, expected: list[int]
) -> None:
    people = {"somebody": LOCAL_USER_ID, "nobody": new_id()}
    filled = query.format(**label_ids(client, dataset), **people, prefix=quote(dataset.input_path))
    assert ids(client, dataset, filled) == [str(cats[index].id) for index in expected]


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-size", "annotation_count"])
def test_pages_of_one_cover_every_order(
    client: FlaskClient, dataset: Dataset, cats: list[Sample], sort: str
) -> None:
    labels = label_ids(client, dataset)
    query = f"label_id={labels['cat']}&label_id={labels['dog']}&sort={sort}"
    seen, address = [], f"/v1/datasets/{dataset.id}/samples?{query}&limit=1"
    while address:
        answer = client.get(address)
        seen += [item["id"] for item in answer.json["items"]]
        address = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == ids(client, dataset, query)


def test_a_cursor_is_refused_under_another_filter_or_sort(
    client: FlaskClient, dataset: Dataset, cats: list[Sample]
) -> None:
    address = f"/v1/datasets/{dataset.id}/samples?limit=1&"
    cursor = client.get(address + "sort=name").json["next_cursor"]
    for other in ("sort=-name", "sort=size", "sort=name&name_contains=a"):
        answer = client.get(f"{address}{other}&cursor={cursor}")
        assert answer.json["errors"][0]["code"] == "cursor_invalid"


def test_an_empty_filter_is_the_same_list_as_none(
    client: FlaskClient, dataset: Dataset, cats: list[Sample]
) -> None:
    address = f"/v1/datasets/{dataset.id}/samples?limit=1"
    cursor = client.get(address).json["next_cursor"]
    answer = client.get(f"{address}&status=all&sort=created_at&cursor={cursor}")
    assert [item["id"] for item in answer.json["items"]] == [str(cats[1].id)]


@pytest.mark.parametrize("count", ["exact", "estimated"])
def test_a_total_of_a_tab_is_exact(
    client: FlaskClient, dataset: Dataset, cats: list[Sample], count: str
) -> None:
    answer = client.get(f"/v1/datasets/{dataset.id}/samples?status=labeled&count={count}&limit=1")
    assert answer.json["total"] == 2


def test_an_estimate_of_a_filter_is_a_number(client: FlaskClient, dataset: Dataset, cats: list[Sample]) -> None:
    answer = client.get(f"/v1/datasets/{dataset.id}/samples?name_contains=a&count=estimated")
    assert answer.json["total"] >= 0


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("label_id=cat", "label_id"),
        ("label_match=none", "label_match"),
        ("created_within=1", "created_within"),
        ("created_within=0d", "created_within"),
        ("created_within=1000y", "created_within"),
        ("created_within=-1d", "created_within"),
        ("created_after=2026-01-01", "created_after"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("at=yesterday", "at"),
        ("name_contains=", "name_contains"),
        ("name_contains=%00", "name_contains"),
        ("name_contains=" + "a" * 257, "name_contains"),
        ("path_prefix=%00", "path_prefix"),
        ("path_prefix=" + "a" * 1025, "path_prefix"),
        ("labeled_by=me", "labeled_by"),
        ("difficult=perhaps", "difficult"),
        ("attribute=red", "attribute"),
        ("attribute=:red", "attribute"),
        ("attribute=a:%00", "attribute"),
        ("sort=colour", "sort"),
        ("count=some", "count"),
        ("&".join(["label_id=01930000-0000-7000-8000-00000000dead"] * 101), "label_id"),
    ],
)
def test_a_bad_filter_is_pointed_at(client: FlaskClient, dataset: Dataset, query: str, name: str) -> None:
    for address in (f"/v1/datasets/{dataset.id}/samples", f"/v1/datasets/{dataset.id}/filters"):
        if address.endswith("samples"):
            answer = client.get(f"{address}?{query}")
            assert (answer.status_code, answer.json["errors"][0]["pointer"][: len(name) + 1]) == (
                422,
                f"?{name}",
            )


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("name", ["created_after", "created_before", "at"])
def test_the_ends_of_time_are_times(client: FlaskClient, dataset: Dataset, name: str, time: str) -> None:
    assert ids(client, dataset, f"{name}={time}") == []


def test_a_past_list_shows_documents_as_they_stood(
    client: FlaskClient, dataset: Dataset, cats: list[Sample], sessions: Sessions
) -> None:
    between = client.get(f"/v1/samples/{cats[0].id}").json["labeled_at"]
    time.sleep(0.01)
    save_document(sessions, cats[0].id, [])
    past = client.get(f"/v1/datasets/{dataset.id}/samples?status=labeled&limit=1&at={quote(between)}").json[
        "items"
    ]
    now = client.get(f"/v1/samples/{cats[0].id}").json
    assert (past[0]["status"], past[0]["annotation_count"], past[0]["revision"]) == ("labeled", 2, 1)
    assert (now["status"], now["revision"]) == ("unlabeled", 2)


# What a form can offer


def test_the_form_is_offered_labels_labelers_and_directories(
    client: FlaskClient, dataset: Dataset, cats: list[Sample]
) -> None:
    found = client.get(f"/v1/datasets/{dataset.id}/search-conditions").json
    counts = {one["label"]["name"]: (one["images"], one["objects"]) for one in found["labels"]}
    assert counts == {"cat": (2, 3), "dog": (1, 2)}
    assert [(one["images"], one["objects"]) for one in found["labelers"]] == [(2, 5)]
    assert found["path_prefixes"] == [dataset.input_path + "cats/", dataset.input_path + "dogs/"]


def test_directories_are_offered_level_by_level(
    client: FlaskClient, dataset: Dataset, cats: list[Sample]
) -> None:
    address = f"/v1/datasets/{dataset.id}/search-conditions?path_prefix="
    below = dataset.input_path + "cats/"
    assert client.get(address + quote(below)).json["path_prefixes"] == [below + "old/"]
    assert client.get(address + "nowhere/").json["path_prefixes"] == []
    assert client.get(address).json["path_prefixes"] == ["datasets/"]


# Saved filters


@pytest.fixture
def filters(dataset: Dataset) -> str:
    return f"/v1/datasets/{dataset.id}/filters"


WANTED = {"status": "labeled", "created_within": "1mo", "attribute": ["fur:long"]}


def saved(client: FlaskClient, address: str, name: str = "Cats", **more: Any) -> Any:
    return client.post(address, json={"name": name, "filter": WANTED, "sort": "-size", **more})


def test_a_filter_is_saved_and_read_as_it_was_sent(client: FlaskClient, filters: str) -> None:
    made = saved(client, filters)
    read = client.get(made.headers["Location"])
    assert (made.status_code, read.json) == (201, made.json)
    assert (read.json["filter"], read.json["sort"]) == (WANTED, "-size")


def test_saved_filters_are_listed(client: FlaskClient, filters: str) -> None:
    for name in ("a", "b", "c"):
        saved(client, filters, name)
    first = client.get(f"{filters}?limit=2").json
    second = client.get(f"{filters}?limit=2&cursor={first['next_cursor']}").json
    assert [item["name"] for item in first["items"] + second["items"]] == ["a", "b", "c"]


def test_a_saved_filters_name_is_its_own(client: FlaskClient, filters: str) -> None:
    saved(client, filters)
    other = saved(client, filters, "Dogs")
    assert saved(client, filters, " Cats ").json["code"] == "name_taken"
    renamed = client.patch(other.headers["Location"], json={"name": "Cats"})
    assert (renamed.status_code, renamed.json["code"]) == (409, "name_taken")


def test_a_saved_filter_is_changed_by_who_has_read_it(client: FlaskClient, filters: str) -> None:
    made = saved(client, filters)
    where, tag = made.headers["Location"], {"If-Match": made.headers["ETag"]}
    changed = client.patch(where, json={"filter": {"difficult": True}}, headers=tag)
    assert changed.json["filter"] == {"difficult": True}
    assert client.patch(where, json={"name": "x"}, headers=tag).status_code == 412
    assert client.get(where, headers={"If-None-Match": changed.headers["ETag"]}).status_code == 304


def test_a_saved_filter_is_deleted_once(client: FlaskClient, filters: str) -> None:
    where = saved(client, filters).headers["Location"]
    assert [client.delete(where).status_code for _ in range(2)] == [204, 404]


def test_a_saved_filter_belongs_to_its_dataset(
    client: FlaskClient, filters: str, make_foreign: Callable[[], str]
) -> None:
    where = saved(client, filters).headers["Location"]
    foreign = where.replace(filters.split("/")[3], make_foreign())
    assert client.get(foreign).status_code == 404


@pytest.fixture
def make_foreign(client: FlaskClient) -> Callable[[], str]:
    return lambda: client.post("/v1/datasets", json={"name": "Foreign"}).json["id"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "", "filter": {}}, "/name"),
        ({"name": " ", "filter": {}}, "/name"),
        ({"name": "a\tb", "filter": {}}, "/name"),
        ({"name": "a"}, "/filter"),
        ({"name": "a", "filter": {"colour": "red"}}, "/filter/colour"),
        ({"name": "a", "filter": {"label_id": ["cat"]}}, "/filter/label_id/0"),
        ({"name": "a", "filter": {"created_within": 7}}, "/filter/created_within"),
        ({"name": "a", "filter": {}, "sort": "colour"}, "/sort"),
    ],
)
def test_a_bad_saved_filter_is_pointed_at(
    client: FlaskClient, filters: str, body: dict[str, Any], pointer: str
) -> None:
    answer = client.post(filters, json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


# What a page costs


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        ("", 1),
        ("status=labeled&count=exact", 2),
        ("label_id={cat}&sort=size", 1),
        ("name_contains=a&label_id={cat}", 2),
        # Where nothing is found, whether the dataset is there is a question of its own.
        ("name_contains=nothing&label_id={cat}", 3),
    ],
)
def test_a_page_takes_as_many_statements_however_long_it_is(
    client: FlaskClient,
    dataset: Dataset,
    cats: list[Sample],
    api_statements: Callable[[Callable[[], Any]], list[str]],
    query: str,
    statements: int,
) -> None:
    filled = query.format(**label_ids(client, dataset))
    made = api_statements(lambda: ids(client, dataset, filled))
    assert len(made) == statements


@pytest.fixture
def api_statements(api_clients: Any) -> Callable[[Callable[[], Any]], list[str]]:
    """What the API says to the database while something is done; who asks is not counted."""

    def count(action: Callable[[], Any]) -> list[str]:
        made: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "api_tokens" not in statement and "dataset_members" not in statement:
                made.append(statement)

        engine = api_clients.sessions.kw["bind"]
        event.listen(engine, "before_cursor_execute", note)
        try:
            action()
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return made

    return count


@pytest.mark.parametrize("name", ["at", "created_after", "created_before"])
@pytest.mark.parametrize("offset", ["-21:55", "+23:59", "+00:00"])
def test_a_time_may_be_of_any_zone(client: FlaskClient, dataset: Dataset, name: str, offset: str) -> None:
    query = {name: f"2026-01-01T00:00:00{offset}", "sort": "-annotation_count"}
    assert client.get(f"/v1/datasets/{dataset.id}/samples", query_string=query).status_code == 200


def test_a_time_without_a_zone_is_refused(client: FlaskClient, dataset: Dataset) -> None:
    query = {"at": "2026-01-01T00:00:00"}
    answer = client.get(f"/v1/datasets/{dataset.id}/samples", query_string=query)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "?at")
