"""A client that also holds every answer against the contract, and the few things that stories begin with."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from redis import Redis
from tests.factories import make_dataset, make_sample
from tests.fakes import FakeWorker
from tests.integration.api.checked_client import CheckedClient
from tests.integration.api.inventory import Inventory

from fourpoint_api.app import create_app
from fourpoint_api.clients import Clients, build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions


@pytest.fixture
def client(api_clients: Clients) -> FlaskClient:
    """Speaks HTTP to the API; fails the test where an answer is not as the contract says."""
    return CheckedClient(create_app(api_clients))


@pytest.fixture
def client_without_redis(api_settings: ApiSettings) -> Iterator[FlaskClient]:
    """As `client`, in a world where nobody listens on Redis's port."""
    clients = build_clients(replace(api_settings, redis_url="redis://127.0.0.1:1/0"))
    yield CheckedClient(create_app(clients))
    clients.close()


@pytest.fixture
def crowded_client(api_settings: ApiSettings, unknown_id: UUID) -> Iterator[FlaskClient]:
    """As `client`, in a process where as many requests wait as may."""
    clients = build_clients(replace(api_settings, max_waiters=1))
    with clients.news.listen(unknown_id):
        yield CheckedClient(create_app(clients))
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
def inventory(sessions: Sessions, object_store: ObjectStore) -> Inventory:
    """What is stored, to be compared with what is stored later."""
    return Inventory(sessions, object_store)


@pytest.fixture
def unknown_id() -> UUID:
    """An id that names nothing."""
    return UUID("01930000-0000-7000-8000-00000000dead")
