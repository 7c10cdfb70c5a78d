"""Members: who creates owns, owners share, and somebody always owns."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from tests.factories import make_job

from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions


def address(dataset: Any, person: Any) -> str:
    return f"/v1/datasets/{dataset.id}/members/{person.user.id}"


def roles(client: FlaskClient, dataset: Any) -> list[str]:
    return [item["role"] for item in client.get(f"/v1/datasets/{dataset.id}/members").json["items"]]


def test_who_creates_a_dataset_owns_it(person: Callable[..., Any]) -> None:
    ada = person()
    dataset_id = ada.post("/v1/datasets", json={"name": "Cats"}).json["id"]
    [member] = ada.get(f"/v1/datasets/{dataset_id}/members").json["items"]
    assert (member["user_id"], member["name"], member["role"]) == (str(ada.user.id), ada.user.name, "owner")


def test_a_foreign_dataset_is_not_there(person: Callable[..., Any], dataset: Dataset) -> None:
    answer = person().get(f"/v1/datasets/{dataset.id}")
    assert (answer.status_code, answer.json["detail"]) == (404, f"There is no dataset {dataset.id}.")


def test_an_owner_lets_somebody_in(person: Callable[..., Any], dataset: Dataset) -> None:
    ada, bob = person(dataset, Role.OWNER), person()
    assert ada.put(address(dataset, bob), json={"role": "viewer"}).json["role"] == "viewer"
    assert bob.get(f"/v1/datasets/{dataset.id}").status_code == 200


def test_a_role_can_be_changed_and_given_twice(person: Callable[..., Any], dataset: Dataset) -> None:
    ada, bob = person(dataset, Role.OWNER), person(dataset, Role.VIEWER)
    for _ in range(2):
        assert ada.put(address(dataset, bob), json={"role": "labeler"}).status_code == 200
    assert roles(ada, dataset) == ["owner", "owner", "labeler"]


@pytest.mark.parametrize("role", ["", "admin", "OWNER", None, 3])
def test_a_role_is_one_of_three(
    client: FlaskClient, person: Callable[..., Any], dataset: Dataset, role: object
) -> None:
    answer = client.put(address(dataset, person()), json={"role": role})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/role")


def test_an_unknown_person_cannot_be_let_in(client: FlaskClient, dataset: Dataset, unknown_id: UUID) -> None:
    answer = client.put(f"/v1/datasets/{dataset.id}/members/{unknown_id}", json={"role": "viewer"})
    assert (answer.status_code, answer.json["detail"]) == (404, f"There is no user {unknown_id}.")


def test_a_labeler_lets_nobody_in(person: Callable[..., Any], dataset: Dataset) -> None:
    answer = person(dataset, Role.LABELER).put(address(dataset, person()), json={"role": "viewer"})
    assert (answer.status_code, answer.json["code"]) == (403, "insufficient_role")


def test_who_is_removed_sees_nothing_any_more(person: Callable[..., Any], dataset: Dataset) -> None:
    ada, bob = person(dataset, Role.OWNER), person(dataset, Role.LABELER)
    assert ada.delete(address(dataset, bob)).status_code == 204
    assert bob.get(f"/v1/datasets/{dataset.id}").status_code == 404


def test_everybody_may_leave(person: Callable[..., Any], dataset: Dataset) -> None:
    bob = person(dataset, Role.VIEWER)
    assert bob.delete(address(dataset, bob)).status_code == 204


def test_nobody_but_an_owner_removes_others(person: Callable[..., Any], dataset: Dataset) -> None:
    bob, eve = person(dataset, Role.VIEWER), person(dataset, Role.LABELER)
    assert eve.delete(address(dataset, bob)).json["code"] == "insufficient_role"


def test_who_is_no_member_cannot_be_removed(
    client: FlaskClient, person: Callable[..., Any], dataset: Dataset
) -> None:
    assert client.delete(address(dataset, person())).status_code == 404


@pytest.fixture
def own(person: Callable[..., Any]) -> Any:
    """A person, with a dataset that is that person's alone."""

    def make() -> tuple[Any, Dataset]:
        ada = person()
        made = ada.post("/v1/datasets", json={"name": "Ada's"}).json
        return ada, Dataset(id=UUID(made["id"]))

    return make()


@pytest.mark.parametrize("role", ["viewer", "labeler"])
def test_the_last_owner_stays_owner(own: Any, role: str) -> None:
    ada, dataset = own
    assert ada.put(address(dataset, ada), json={"role": role}).json["code"] == "last_owner"


def test_the_last_owner_does_not_leave(own: Any, client: FlaskClient) -> None:
    ada, dataset = own
    for whoever in (ada, client):
        answer = whoever.delete(address(dataset, ada))
        assert (answer.status_code, answer.json["code"]) == (409, "last_owner")


def test_an_owner_leaves_once_there_is_another(own: Any, person: Callable[..., Any]) -> None:
    ada, dataset = own
    bob = person()
    ada.put(address(dataset, bob), json={"role": "owner"})
    assert ada.delete(address(dataset, ada)).status_code == 204
    assert roles(bob, dataset) == ["owner"]


def test_of_two_owners_who_leave_at_once_one_stays(
    own: Any, person: Callable[..., Any], client: FlaskClient
) -> None:
    ada, dataset = own
    for _ in range(10):
        bob = person()
        client.put(address(dataset, ada), json={"role": "owner"})
        client.put(address(dataset, bob), json={"role": "owner"})
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: one.delete(address(dataset, one)), (ada, bob)))
        assert "owner" in roles(client, dataset)


def test_members_go_with_their_dataset(person: Callable[..., Any], dataset: Dataset) -> None:
    ada = person(dataset, Role.OWNER)
    ada.delete(f"/v1/datasets/{dataset.id}")
    assert ada.get(f"/v1/datasets/{dataset.id}/members").status_code == 404


def test_who_deletes_a_dataset_sees_the_job_to_its_end(person: Callable[..., Any], dataset: Dataset) -> None:
    ada, bob = person(dataset, Role.OWNER), person(dataset, Role.OWNER)
    job = ada.delete(f"/v1/datasets/{dataset.id}").headers["Location"]
    assert ada.get(job).status_code == 200
    assert bob.get(job).status_code == 404
    assert [f"/v1/jobs/{item['id']}" for item in ada.get("/v1/jobs").json["items"]] == [job]


def test_a_labeler_cancels_the_own_job_and_no_other(
    person: Callable[..., Any], sessions: Sessions, sample: Sample, dataset: Dataset
) -> None:
    eve = person(dataset, Role.LABELER)
    own = eve.put(f"/v1/samples/{sample.id}/embedding").headers["Location"]
    assert eve.post(f"{own}/cancel").status_code == 200
    another = make_job(sessions, sample)
    assert eve.post(f"/v1/jobs/{another.id}/cancel").json["code"] == "insufficient_role"


def test_who_was_removed_runs_no_job_again(
    person: Callable[..., Any], client: FlaskClient, sample: Sample, dataset: Dataset
) -> None:
    eve = person(dataset, Role.LABELER)
    own = eve.put(f"/v1/samples/{sample.id}/embedding").headers["Location"]
    eve.post(f"{own}/cancel")
    client.delete(address(dataset, eve))
    assert eve.post(f"{own}/retry").status_code == 404
    assert eve.get("/v1/jobs").json["items"] == []


def test_the_jobs_of_a_dataset_are_its_members(
    person: Callable[..., Any], sessions: Sessions, sample: Sample, dataset: Dataset
) -> None:
    job = make_job(sessions, sample)
    listed = f"/v1/jobs?dataset_id={dataset.id}"
    assert [item["id"] for item in person(dataset).get(listed).json["items"]] == [str(job.id)]
    assert person().get(listed).json["items"] == []


def test_a_token_to_read_does_not_leave_a_dataset(person: Callable[..., Any], dataset: Dataset) -> None:
    bob = person(dataset, Role.VIEWER, Scope.READ)
    assert bob.delete(address(dataset, bob)).json["code"] == "insufficient_scope"
