"""People: everybody finds them, admins keep the list."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import LastAdminError
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.models import Dataset, User
from fourpoint_core.store.queries import users
from fourpoint_core.store.session import Sessions, unit_of_work


def add(client: FlaskClient, **body: Any) -> Any:
    return client.post("/v1/users", json={"name": "ada", **body})


def test_an_admin_adds_a_person(client: FlaskClient) -> None:
    answer = add(client)
    assert answer.status_code == 201
    assert client.get(answer.headers["Location"]).json == answer.json
    assert (answer.json["name"], answer.json["is_admin"], answer.json["is_disabled"]) == ("ada", False, False)


def test_a_name_is_one_persons(client: FlaskClient) -> None:
    add(client)
    answer = add(client, name=" ada ")
    assert (answer.status_code, answer.json["code"]) == (409, "name_taken")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101, 5, None])
def test_a_name_is_visible_text(client: FlaskClient, name: object) -> None:
    answer = add(client, name=name)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/name")


def test_without_an_identity_provider_nobody_has_a_subject(client: FlaskClient) -> None:
    answer = add(client, oidc_subject="00u1")
    assert answer.json["errors"][0]["code"] == "no_identity_provider"


def test_everybody_finds_everybody(client: FlaskClient, person: Callable[..., Any]) -> None:
    add(client)
    ada = person()
    names = [item["name"] for item in ada.get("/v1/users").json["items"]]
    assert names == ["local", "ada", ada.user.name]


def test_people_are_listed_page_after_page(client: FlaskClient) -> None:
    for number in range(5):
        add(client, name=f"user {number}")
    names, address = [], "/v1/users?limit=2"
    while address:
        page = client.get(address)
        names += [item["name"] for item in page.json["items"]]
        cursor = page.json["next_cursor"]
        address = cursor and f"/v1/users?limit=2&cursor={cursor}"
    assert names == ["local", *(f"user {number}" for number in range(5))]


def test_a_person_can_be_renamed(client: FlaskClient) -> None:
    address = add(client).headers["Location"]
    assert client.patch(address, json={"name": "Ada"}).json["name"] == "Ada"


def test_a_name_that_is_taken_stays_with_who_has_it(client: FlaskClient) -> None:
    address = add(client).headers["Location"]
    assert client.patch(address, json={"name": "local"}).json["code"] == "name_taken"


def test_an_admin_makes_another(client: FlaskClient) -> None:
    address = add(client).headers["Location"]
    assert client.patch(address, json={"is_admin": True}).json["is_admin"] is True
    assert client.patch(address, json={"is_admin": False}).json["is_admin"] is False


def test_who_is_shut_out_can_be_let_in_again(client: FlaskClient) -> None:
    address = add(client).headers["Location"]
    assert client.patch(address, json={"is_disabled": True}).json["is_disabled"] is True
    assert client.patch(address, json={"name": "ada 2"}).json["is_disabled"] is True
    assert client.patch(address, json={"is_disabled": False}).json["is_disabled"] is False


@pytest.fixture
def admins(client: FlaskClient, person: Callable[..., Any], sessions: Sessions) -> Sequence[Any]:
    """Two people who are admins, with tokens for that."""
    found = [person(scope=Scope.ADMIN) for _ in range(2)]
    for one in found:
        client.patch(f"/v1/users/{one.user.id}", json={"is_admin": True})
    return found


@pytest.mark.parametrize("change", [{"is_admin": False}, {"is_disabled": True}])
def test_the_last_admin_stays_admin(admins: Sequence[Any], change: dict[str, bool]) -> None:
    ada, bob = admins
    assert ada.patch(f"/v1/users/{bob.user.id}", json=change).status_code == 200
    answer = ada.patch(f"/v1/users/{ada.user.id}", json=change)
    assert (answer.status_code, answer.json["code"]) == (409, "last_admin")
    # Whose going changes nothing may go, and what changes nothing about it stays possible.
    assert ada.patch(f"/v1/users/{bob.user.id}", json={"is_disabled": True}).status_code == 200
    assert ada.patch(f"/v1/users/{ada.user.id}", json={"name": "Ada", "is_admin": True}).status_code == 200


def test_two_admins_do_not_shut_each_other_out(admins: Sequence[Any], sessions: Sessions) -> None:
    """The second one's check holds the row that the first one's change has to wait for."""
    ada, bob = admins
    with unit_of_work(sessions) as session:
        users.require_another_admin(session, ada.user.id, bob.user.id)
        held = select(User.id).where(User.id == bob.user.id).with_for_update(nowait=True, key_share=True)
        with sessions() as other, pytest.raises(OperationalError, match="could not obtain lock"):
            other.scalar(held)
        users.change_user(session, users.get_user(session, ada.user.id), is_disabled=True)
    with pytest.raises(LastAdminError), unit_of_work(sessions) as session:
        users.require_another_admin(session, bob.user.id, ada.user.id)


def test_there_may_be_no_such_person(client: FlaskClient, unknown_id: UUID) -> None:
    assert client.get(f"/v1/users/{unknown_id}").status_code == 404
    assert client.patch(f"/v1/users/{unknown_id}", json={}).status_code == 404


def test_a_person_sees_the_datasets_that_person_is_a_member_of(
    client: FlaskClient, person: Callable[..., Any], dataset: Dataset
) -> None:
    client.post("/v1/datasets", json={"name": "Dogs"})
    ada = person(dataset)
    page = ada.get("/v1/datasets?count=exact").json
    assert ([item["name"] for item in page["items"]], page["total"]) == (["Cats"], 1)


def test_what_the_built_in_user_made_is_open_to_admins(client: FlaskClient, dataset: Dataset) -> None:
    assert dataset.created_by == LOCAL_USER_ID
    assert client.get(f"/v1/datasets/{dataset.id}").status_code == 200
