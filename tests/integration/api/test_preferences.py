"""What a person chose last in a dataset."""

import pytest
from flask.testing import FlaskClient
from tests.factories import make_dataset
from tests.integration.api.conftest import PersonMaker

from fourpoint_core.domain.access import Role
from fourpoint_core.store.models import Dataset
from fourpoint_core.store.session import Sessions


def path(dataset: Dataset) -> str:
    return f"/v1/datasets/{dataset.id}/preferences"


def choose(client: FlaskClient, dataset: Dataset, method: str) -> int:
    return client.put(path(dataset), json={"labeling_method": method}).status_code


def chosen(client: FlaskClient, dataset: Dataset) -> str:
    method: str = client.get(path(dataset)).json["labeling_method"]
    return method


def test_who_never_chose_labels_by_polygon(client: FlaskClient, dataset: Dataset) -> None:
    assert chosen(client, dataset) == "polygon"


@pytest.mark.parametrize("methods", [["extreme_points"], ["extreme_points", "polygon"]])
def test_the_last_choice_counts(client: FlaskClient, dataset: Dataset, methods: list[str]) -> None:
    assert [choose(client, dataset, method) for method in methods] == [200] * len(methods)
    assert chosen(client, dataset) == methods[-1]


def test_a_choice_is_a_persons_own(client: FlaskClient, dataset: Dataset, person: PersonMaker) -> None:
    choose(person(dataset, Role.LABELER), dataset, "extreme_points")
    assert chosen(client, dataset) == "polygon"


def test_a_choice_is_for_one_dataset(client: FlaskClient, dataset: Dataset, sessions: Sessions) -> None:
    choose(client, dataset, "extreme_points")
    assert chosen(client, make_dataset(sessions, "Dogs")) == "polygon"


@pytest.mark.parametrize("body", [{}, {"labeling_method": "brush"}, {"labeling_method": None}, {"zoom": 2}])
def test_what_is_no_choice_is_refused(client: FlaskClient, dataset: Dataset, body: dict[str, object]) -> None:
    assert client.put(path(dataset), json=body).status_code == 422
    assert chosen(client, dataset) == "polygon"


def test_who_may_not_see_the_dataset_has_no_choice(dataset: Dataset, person: PersonMaker) -> None:
    assert choose(person(), dataset, "polygon") == 404
