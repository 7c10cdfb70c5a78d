"""The embedded Redis: private, one at a time, and gone with whoever started it."""

import os
import socket

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry
from tests.integration.standalone.conftest import eventually, processes_in

from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.redis_server import RedisServer


@pytest.fixture(params=[None, 0], ids=["socket", "port"])
def server(request, directory):
    server = RedisServer(directory / "redis", request.param)
    server.start()
    yield server
    server.stop()


def test_it_answers(server):
    assert Redis.from_url(server.url()).ping()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_it_comes_back_empty_at_the_same_address(server, kill):
    client = Redis.from_url(server.url())
    client.set("key", "value")
    server.restart(kill=kill)
    assert client.get("key") is None


def test_stopping_leaves_no_process(server, directory):
    server.stop()
    assert processes_in(directory) == {}


def test_a_port_asks_for_the_password(directory):
    server = RedisServer(directory / "redis", 0)
    server.start()
    port = int(server.url().rpartition(":")[2].removesuffix("/0"))
    try:
        with pytest.raises(AuthenticationError):
            # By default the client tries again for seconds.
            Redis(port=port, retry=Retry(NoBackoff(), 0)).ping()
    finally:
        server.stop()


def test_a_second_launcher_is_told_who_runs_it(server, directory):
    with pytest.raises(StandaloneError, match=f"already run by process {os.getpid()}"):
        RedisServer(directory / "redis").start()


def test_a_killed_launcher_leaves_no_process(launch, directory):
    launcher = launch("redis", directory / "redis")
    launcher.kill()
    launcher.wait()
    assert eventually(lambda: not processes_in(directory))


def test_a_server_starts_after_its_launcher_was_killed(launch, directory):
    launcher = launch("redis", directory / "redis")
    launcher.kill()
    launcher.wait()
    server = RedisServer(directory / "redis")
    server.start()
    try:
        # The one before would remove the socket on its way out.
        assert set(processes_in(directory)) == {server.pid}
        assert Redis.from_url(server.url()).ping()
    finally:
        server.stop()


def test_a_busy_port_is_named_with_the_option_to_change_it(directory):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StandaloneError, match=f"Port {port} .* --redis-port"):
            RedisServer(directory / "redis", port).start()


@pytest.mark.parametrize(
    "name", ["with spaces", 'a "quoted" name', "long" * 30], ids=["spaces", "quotes", "long"]
)
def test_any_path_will_do(directory, name):
    server = RedisServer(directory / name / "redis")
    server.start()
    try:
        assert Redis.from_url(server.url()).ping()
    finally:
        server.stop()
