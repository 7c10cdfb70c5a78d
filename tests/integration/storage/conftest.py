from collections.abc import Iterator

import pytest
from tests.integration.storage.addresses import bucket_settings, directory_settings
from tests.s3_server import s3_bucket, s3_server  # noqa: F401 - fixtures

from fourpoint_core.storage import ObjectStore, open_store


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    """An empty store: of each kind in turn, opened as the services open it."""
    if request.param == "directory":
        yield open_store(directory_settings(request.getfixturevalue("tmp_path") / "bucket"))
    else:
        server, bucket = request.getfixturevalue("s3_server"), request.getfixturevalue("s3_bucket")
        yield open_store(bucket_settings(server, bucket))
