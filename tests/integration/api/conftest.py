"""A client that also holds every answer against the contract, and the few things that stories begin with."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from tests.factories import make_dataset, make_member, make_sample, make_token, make_user
from tests.fakes import FakeWorker
from tests.integration.api.checked_client import CheckedClient, Person
from tests.integration.api.inventory import Inventory
from tests.integration.applications import AppMaker

from fourpoint_api.clients import Clients, build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions

PersonMaker = Callable[..., Person]


@pytest.fixture
def app(api_clients: Clients, app_over: AppMaker) -> Flask:
    """The API."""
    return app_over(api_clients)


@pytest.fixture
def admin_token(sessions: Sessions, api_clients: Clients) -> str:
    """A secret of the built-in user, an admin; the API knows it already."""
    token = make_token(sessions)
    api_clients.sign_in.caller(f"Bearer {token}", "127.0.0.1")
    return token


@pytest.fixture
def client(app: Flask, admin_token: str) -> FlaskClient:
    """An admin who speaks HTTP; fails the test where an answer is not as the contract says."""
    return CheckedClient(app, admin_token)


@pytest.fixture
def nobody(app: Flask) -> FlaskClient:
    """As `client`, without a token."""
    return CheckedClient(app)


@pytest.fixture
def person(app: Flask, sessions: Sessions) -> PersonMaker:
    """Makes clients of new people: of a role in a dataset, or of none, with a token of the scope."""

    def make(dataset: Dataset | None = None, role: Role = Role.VIEWER, scope: Scope = Scope.MANAGE) -> Person:
        user = make_user(sessions)
        if dataset is not None:
            make_member(sessions, dataset, user, role)
        return Person(app, user, make_token(sessions, user.id, scope))

    return make


@pytest.fixture
def client_without_redis(
    api_settings: ApiSettings, app_over: AppMaker, admin_token: str
) -> Iterator[FlaskClient]:
    """As `client`, in a world where nobody listens on Redis's port."""
    clients = build_clients(replace(api_settings, redis_url="redis://127.0.0.1:1/0"))
    yield CheckedClient(app_over(clients), admin_token)
    clients.close()


@pytest.fixture
def crowded_client(
    api_settings: ApiSettings, app_over: AppMaker, unknown_id: UUID, admin_token: str
) -> Iterator[FlaskClient]:
    """As `client`, in a process where as many requests wait as may."""
    clients = build_clients(replace(api_settings, max_waiters=1))
    with clients.news.listen(unknown_id):
        yield CheckedClient(app_over(clients), admin_token)
    clients.close()


@pytest.fixture
def dataset(sessions: Sessions) -> Dataset:
    """A dataset without images."""
    return make_dataset(sessions, "Cats")


@pytest.fixture
def sample(sessions: Sessions, dataset: Dataset, object_store: ObjectStore) -> Sample:
    """An image of 100 x 80 pixels."""
    return make_sample(sessions, dataset, object_store)


@pytest.fixture
def worker(sessions: Sessions, redis: Redis) -> FakeWorker:
    """Whoever ends the jobs."""
    return FakeWorker(sessions, redis)


@pytest.fixture
def inventory(sessions: Sessions, object_store: ObjectStore, admin_token: str) -> Inventory:
    """What is stored, the client's own token included, to be compared with what is stored later."""
    return Inventory(sessions, object_store)


@pytest.fixture
def unknown_id() -> UUID:
    """An id that names nothing."""
    return UUID("01930000-0000-7000-8000-00000000dead")
