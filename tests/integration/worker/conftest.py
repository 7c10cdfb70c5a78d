"""A scene for every test."""

import inspect

import pytest
from redis import Redis
from tests.integration.storage.addresses import bucket_settings
from tests.integration.worker.scenes import Scene
from tests.s3_server import s3_bucket, s3_server  # noqa: F401 - fixtures

from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectStore, open_store
from fourpoint_core.store.session import Sessions

# What is tested on a directory and on a real S3 server, but for what gives other processes a store's address.
ON_BOTH_STORES = {"test_export_dataset", "test_import_dataset", "test_sync_sidecars"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have the tests of some modules run on both stores."""
    module = metafunc.module.__name__.rpartition(".")[2]
    own = inspect.signature(metafunc.function).parameters
    if module in ON_BOTH_STORES and "object_store" in metafunc.fixturenames and "core_settings" not in own:
        s3 = pytest.param("s3", marks=pytest.mark.bucket)
        metafunc.parametrize("object_store", ["directory", s3], indirect=True)


@pytest.fixture
def object_store(request: pytest.FixtureRequest, core_settings: CoreSettings) -> ObjectStore:
    """The store that API and worker share, empty."""
    if getattr(request, "param", "directory") == "directory":
        return open_store(core_settings)
    server, bucket = request.getfixturevalue("s3_server"), request.getfixturevalue("s3_bucket")
    return open_store(bucket_settings(server, bucket))


@pytest.fixture
def scene(sessions: Sessions, object_store: ObjectStore, redis: Redis) -> Scene:
    """A dataset without images."""
    return Scene(sessions, object_store, redis)
