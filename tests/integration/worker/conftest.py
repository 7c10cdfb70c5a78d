"""A scene for every test."""

import pytest
from redis import Redis
from tests.integration.worker.scenes import Scene

from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.session import Sessions


@pytest.fixture
def scene(sessions: Sessions, object_store: ObjectStore, redis: Redis) -> Scene:
    """A dataset without images."""
    return Scene(sessions, object_store, redis)
