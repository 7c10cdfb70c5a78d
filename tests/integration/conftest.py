"""Real PostgreSQL, real Redis and a directory of objects for every test that asks for them.

The servers start once per test process, and only when a test needs one. Each test gets a database of its own,
cloned from one that was migrated at the start, an empty Redis and an empty directory.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import settings
from redis import Redis
from sqlalchemy import make_url
from tests.factories import make_token
from tests.integration.applications import AppMaker, lent
from tests.otlp_receiver import OtlpReceiver

from fourpoint_api.clients import Clients, build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_core import tracing
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectStore, open_store
from fourpoint_core.store import migrate
from fourpoint_core.store.session import Sessions, connect
from fourpoint_standalone.postgres import PostgresServer, remove_data
from fourpoint_standalone.redis_server import RedisServer

# See tests/unit/conftest.py.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
TEMPLATE = "migrated"
# What all tests of the service log in as: it may do what they do, and no more.
SERVICE = "service"
# For each of several test processes: a cluster, its log, and the clones of tests that hang.
ROOM_BYTES = 4 * 2**30
# Nothing here outlives the test run, so nothing has to reach the disk.
HASTY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "1GB",
    # In the cluster's own directory, so that nothing stays behind when the tests are killed.
    "dynamic_shared_memory_type": "mmap",
}
_numbers = count(1)


@pytest.fixture(scope="session")
def servers_directory() -> Iterator[Path]:
    """A short path that PostgreSQL's own user may pass through when the tests run as root.

    In memory where there is room: a database is then cloned in a fifth of the time.
    """
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES
    directory = Path(tempfile.mkdtemp(prefix="fourpoint-tests-", dir=memory if roomy else None))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(servers_directory: Path) -> Iterator[PostgresServer]:
    """A running PostgreSQL with the migrated template database."""
    server = PostgresServer(servers_directory / "postgres", options=HASTY)
    server.start()
    try:
        server.create_database(TEMPLATE)
        migrate.upgrade(server.url(TEMPLATE), as_role(server.url(TEMPLATE), SERVICE))
        yield server
    finally:
        server.stop("immediate")
        remove_data(servers_directory / "postgres")


def as_role(url: str, name: str) -> str:
    """The same address, for another role."""
    return make_url(url).set(username=name).render_as_string(hide_password=False)


@pytest.fixture
def empty_database_url(postgres: PostgresServer) -> Iterator[str]:
    """A database without a single table."""
    name = f"empty_{next(_numbers)}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """A migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name, template=TEMPLATE)
    yield as_role(postgres.url(name), SERVICE)
    postgres.drop_database(name)


@pytest.fixture
def owners_url(postgres: PostgresServer, database_url: str) -> str:
    """The same database, for whoever owns the tables."""
    return postgres.url(make_url(database_url).database or "")


@pytest.fixture(scope="session")
def redis_server(servers_directory: Path) -> Iterator[RedisServer]:
    """A running Redis, shared by the tests of this process."""
    server = RedisServer(servers_directory / "redis", port=0)
    server.start()
    yield server
    server.stop(grace_seconds=1)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Where an empty Redis is."""
    url = redis_server.url()
    with Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def core_settings(database_url: str, redis_url: str, tmp_path: Path) -> CoreSettings:
    """What every process is told."""
    return CoreSettings(
        database_url=database_url,
        redis_url=redis_url,
        storage_url=(tmp_path / "objects").as_uri(),
        database_pool_size=3,
    )


@pytest.fixture
def api_settings(core_settings: CoreSettings) -> ApiSettings:
    """What the API is told."""
    # Who was recognised stays recognised for the whole test, so that statements can be counted.
    return ApiSettings(**asdict(core_settings), secret_key="a secret of the tests", auth_cache_seconds=600.0)


@pytest.fixture
def sessions(core_settings: CoreSettings) -> Iterator[Sessions]:
    """A pool of connections to the test's database."""
    made = connect(core_settings)
    yield made
    made.kw["bind"].dispose()


@pytest.fixture
def object_store(core_settings: CoreSettings) -> ObjectStore:
    """The store that API and worker share, empty."""
    return open_store(core_settings)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of the empty Redis."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """What decodes images; one for all tests, because each takes a moment to start."""
    made = Decoder(1, 2**30, 60)
    yield made
    made.close()


@pytest.fixture
def api_clients(api_settings: ApiSettings, decoder: Decoder) -> Iterator[Clients]:
    """What a process of the API holds open."""
    made = build_clients(api_settings)
    yield replace(made, decoder=decoder)
    made.close()


@pytest.fixture
def app_over() -> Iterator[AppMaker]:
    """Makes applications over clients."""
    with lent() as maker:
        yield maker


@pytest.fixture
def client(api_clients: Clients, app_over: AppMaker, sessions: Sessions) -> FlaskClient:
    """An admin who speaks HTTP to the API, without a network and without a worker."""
    made = app_over(api_clients).test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {make_token(sessions)}"
    return made


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    """Where spans may be sent."""
    with OtlpReceiver() as running:
        yield running


@pytest.fixture
def traced_here(collector: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    """This process tells the collector of what it does, as the API would."""
    for name, value in collector.variables.items():
        monkeypatch.setenv(name, value)
    tracing.start("api")
    yield collector
    tracing.stop()
