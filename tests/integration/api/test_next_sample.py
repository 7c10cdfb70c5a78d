"""The next image to label: never one for two people at a time."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from tests.factories import make_sample
from tests.integration.store.documents import Object, make_label, make_user, save_document

from fourpoint_core.domain.filters import SampleFilter, Sort, Status
from fourpoint_core.store.models import Dataset, Sample, SampleLease
from fourpoint_core.store.queries import sample_leases
from fourpoint_core.store.session import Sessions, unit_of_work

UNLABELED = SampleFilter(status=Status.UNLABELED)


@pytest.fixture
def three(sessions: Sessions, dataset: Dataset) -> list[Sample]:
    """Three unlabeled images."""
    return [make_sample(sessions, dataset, name=f"{n}.png") for n in range(3)]


@pytest.fixture
def ann(sessions: Sessions) -> UUID:
    return make_user(sessions, "Ann").id


@pytest.fixture
def take(sessions: Sessions, dataset: Dataset) -> Callable[..., UUID | None]:
    """Take the next image as somebody; by name, through the store."""

    def call(user_id: UUID, seconds: float = 600, wanted: SampleFilter = UNLABELED) -> UUID | None:
        with unit_of_work(sessions) as session:
            lease = sample_leases.take_next(
                session, dataset.id, wanted, Sort(), user_id, timedelta(seconds=seconds)
            )
            return None if lease is None else lease.sample.id

    return call


def next_of(client: FlaskClient, dataset: Dataset, **body: Any) -> Any:
    answer = client.post(f"/v1/datasets/{dataset.id}/samples/next", json=body)
    assert answer.status_code == 200, answer.json
    return answer.json["sample"] and answer.json["sample"]["id"]


def test_the_first_unlabeled_image_comes_first(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, three: list[Sample]
) -> None:
    label = make_label(sessions, dataset, "cat", 1)
    save_document(sessions, three[0].id, [Object(label.id)])
    assert next_of(client, dataset) == str(three[1].id)


def test_who_asks_again_gets_the_same_image(client: FlaskClient, dataset: Dataset, three: list[Sample]) -> None:
    assert [next_of(client, dataset) for _ in range(2)] == [str(three[0].id)] * 2


def test_another_labeler_gets_another_image(
    client: FlaskClient, dataset: Dataset, three: list[Sample], ann: UUID, take: Callable[..., Any]
) -> None:
    assert (take(ann), next_of(client, dataset)) == (three[0].id, str(three[1].id))


def test_a_save_ends_the_lease_and_the_next_image_comes(
    client: FlaskClient, dataset: Dataset, three: list[Sample], sessions: Sessions
) -> None:
    first = next_of(client, dataset)
    contour = {"parts": [{"outer": [[20, 10], [80, 10], [80, 70]]}]}
    client.post(f"/v1/samples/{first}/annotations", json={"contour": contour, "label": "cat"})
    assert next_of(client, dataset) == str(three[1].id)
    with unit_of_work(sessions) as session:
        assert [lease.sample_id for lease in session.query(SampleLease)] == [three[1].id]


def test_a_lease_that_ran_out_is_anybodys(
    three: list[Sample], ann: UUID, take: Callable[..., Any], sessions: Sessions
) -> None:
    other = make_user(sessions, "Ben").id
    assert (take(ann, -1), take(other)) == (three[0].id, three[0].id)


def test_the_sweep_forgets_what_ran_out(three: list[Sample], ann: UUID, take: Any, sessions: Sessions) -> None:
    take(ann, -1)
    with unit_of_work(sessions) as session:
        assert [sample_leases.forget_expired(session, 10) for _ in range(2)] == [1, 0]


def test_what_is_skipped_is_given_back(
    client: FlaskClient, dataset: Dataset, three: list[Sample], ann: UUID, take: Callable[..., Any]
) -> None:
    first = next_of(client, dataset)
    assert next_of(client, dataset, skip=[first]) == str(three[1].id)
    assert str(take(ann)) == first


def test_a_released_image_is_anybodys(
    client: FlaskClient, dataset: Dataset, three: list[Sample], ann: UUID, take: Callable[..., Any]
) -> None:
    first = next_of(client, dataset)
    assert [client.delete(f"/v1/samples/{first}/lease").status_code for _ in range(2)] == [204, 204]
    assert str(take(ann)) == first


def test_anothers_lease_cannot_be_released(
    client: FlaskClient, dataset: Dataset, three: list[Sample], ann: UUID, take: Callable[..., Any]
) -> None:
    taken = take(ann)
    client.delete(f"/v1/samples/{taken}/lease")
    assert next_of(client, dataset) == str(three[1].id)


def test_when_none_is_left_there_is_none(client: FlaskClient, dataset: Dataset) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/samples/next", json={})
    assert answer.json == {"sample": None, "expires_at": None}


def test_the_next_image_matches_the_filter_in_the_order_asked_for(
    client: FlaskClient, dataset: Dataset, three: list[Sample]
) -> None:
    assert next_of(client, dataset, sort="-name") == str(three[2].id)
    assert next_of(client, dataset, filter={"name_contains": "1."}) == str(three[1].id)


def test_images_of_other_datasets_are_not_given(client: FlaskClient, three: list[Sample]) -> None:
    made = client.post("/v1/datasets", json={"name": "Empty"}).json
    assert next_of(client, Dataset(id=UUID(made["id"]))) is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"filter": {"status": "labeled"}}, "/filter/status"),
        ({"filter": {"at": "2026-01-01T00:00:00Z"}}, "/filter/at"),
        ({"lease_seconds": 9}, "/lease_seconds"),
        ({"lease_seconds": 3601}, "/lease_seconds"),
        ({"sort": "colour"}, "/sort"),
        ({"skip": ["me"]}, "/skip/0"),
    ],
)
def test_a_bad_wish_is_pointed_at(
    client: FlaskClient, dataset: Dataset, body: dict[str, Any], pointer: str
) -> None:
    answer = client.post(f"/v1/datasets/{dataset.id}/samples/next", json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_eight_who_ask_at_once_get_eight_images(
    sessions: Sessions, dataset: Dataset, take: Callable[..., Any]
) -> None:
    for _ in range(8):
        make_sample(sessions, dataset)
    people = [make_user(sessions, f"labeler {n}").id for n in range(8)]
    got: list[UUID | None] = []
    barrier = threading.Barrier(4)

    def ask(mine: list[UUID]) -> None:
        barrier.wait()
        got.extend(take(one) for one in mine)

    threads = [threading.Thread(target=ask, args=(people[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None not in got
    assert len(set(got)) == 8


def test_an_image_chosen_and_not_yet_committed_is_looked_past(
    sessions: Sessions, dataset: Dataset, three: list[Sample], ann: UUID, take: Callable[..., Any]
) -> None:
    other = make_user(sessions, "Ben").id
    with sessions() as session:
        session.execute(text("SET LOCAL lock_timeout = '1s'"))
        lease = sample_leases.take_next(session, dataset.id, UNLABELED, Sort(), ann, timedelta(minutes=1))
        assert lease is not None
        assert (lease.sample.id, take(other)) == (three[0].id, three[1].id)
        session.commit()
