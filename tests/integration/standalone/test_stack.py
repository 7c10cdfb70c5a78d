"""The whole stack, with real processes: it comes up, heals and says what is wrong."""

import io
import os
import shlex
import signal
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from tests.integration.standalone.conftest import eventually, processes_in, temporary_directory

from fourpoint_client import Client, calls
from fourpoint_standalone import demo
from fourpoint_standalone.photographs import PHOTOGRAPHS
from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.stack import Stack, StackOptions, remove_data

OBJECTS = sum(len(photograph.things) for photograph in PHOTOGRAPHS)


def options_in(directory, **more):
    return StackOptions(directory / "data", api_port=0, api_workers=1, io_processes=1, **more)


@pytest.fixture(scope="module")
def stack():
    with temporary_directory(0o711) as directory, Stack(options_in(directory)) as running:
        yield running


def readiness_of(stack):
    try:
        return httpx.get(f"{stack.base_url}/readyz", timeout=60).status_code
    except httpx.TransportError:
        return None


@pytest.fixture
def client(stack):
    with Client(stack.base_url, stack.admin_token) as speaking:
        yield speaking


def test_a_started_stack_is_ready(stack):
    assert readiness_of(stack) == 200


def test_every_service_has_a_process(stack):
    assert set(stack.pids) == {"postgres", "redis", "api", "inference", "io"}


@pytest.mark.parametrize(("service", "check"), [("postgres", "database"), ("redis", "broker")])
def test_readiness_tells_of_what_hangs_and_of_its_return(stack, service, check):
    parent = stack.pids[service]
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    frozen = [parent, *map(int, children)]
    assert eventually(lambda: readiness_of(stack) == 200)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        answer = httpx.get(f"{stack.base_url}/readyz", timeout=60)
        assert (answer.status_code, "hangs" in answer.json()["checks"][check]) == (503, True)
    finally:
        for pid in reversed(frozen):
            os.kill(pid, signal.SIGCONT)
    assert eventually(lambda: readiness_of(stack) == 200)


def test_a_second_stack_on_the_directory_is_told_who_has_it_and_what_to_do(stack):
    second = Stack(StackOptions(stack.data_directory, api_port=0))
    with pytest.raises(StandaloneError) as refusal:
        second.start()
    for part in (f"process {os.getpid()}", stack.base_url, "Ctrl-C", "--data-directory"):
        assert part in str(refusal.value)


def test_the_data_of_a_running_stack_cannot_be_removed(stack):
    with pytest.raises(StandaloneError, match=f"in use by process {os.getpid()}"):
        remove_data(stack.data_directory)


@pytest.mark.parametrize("name", ["api", "inference", "io", "redis", "postgres"])
def test_a_killed_service_comes_back(stack, name):
    before = stack.pids[name]
    stack.kill(name)
    assert eventually(lambda: stack.pids.get(name, before) != before)
    assert eventually(lambda: readiness_of(stack) == 200)


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_without_a_server_the_stack_is_not_ready_and_with_it_again_it_is(stack, name):
    with stack.without(name):
        assert readiness_of(stack) == 503
    assert eventually(lambda: readiness_of(stack) == 200)


def test_api_and_workers_cannot_change_what_is_said_of_their_doings(stack):
    with create_engine(stack.database_url).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM audit_entries")) > 0
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("DELETE FROM audit_entries"))


def test_addresses_stay_the_same_over_restarts(stack):
    before = (stack.base_url, stack.database_url, stack.redis_url)
    stack.restart_postgres("immediate")
    stack.restart_redis(kill=True)
    assert (stack.base_url, stack.database_url, stack.redis_url) == before
    assert eventually(lambda: readiness_of(stack) == 200)


@pytest.fixture(scope="module")
def shown(stack):
    """What the demonstration has said after it ran twice."""
    screen = Console(width=160, record=True, file=io.StringIO())
    for _ in range(2):
        output = stack.data_directory / "demo-output"
        demo.run(stack.base_url, stack.admin_token_file, output, screen)
    return screen.export_text()


def samples_of_demo(client):
    (dataset,) = (dataset for dataset in client.datasets() if dataset["name"] == demo.DATASET)
    return list(client.items(calls.list_samples(dataset["id"])))


def test_a_second_demonstration_uploads_nothing_twice(shown, client):
    assert len(samples_of_demo(client)) == len(PHOTOGRAPHS)


def test_a_second_demonstration_labels_nothing_twice(shown, client):
    assert sum(sample["annotation_count"] for sample in samples_of_demo(client)) == OBJECTS


def test_the_engine_doubts_hardly_any_outline_of_the_demonstration(shown):
    assert shown.partition("curl")[0].count("?") <= 1


def test_the_demonstration_draws_an_overlay_of_every_photograph(shown, stack):
    overlays = {path.name for path in (stack.data_directory / "demo-output").iterdir()}
    assert overlays == {photograph.file_name for photograph in PHOTOGRAPHS}


def test_the_command_that_the_demonstration_prints_works_as_printed(shown, stack):
    curl, silent, url, *options = shlex.split(shown.splitlines()[-1])
    assert (curl, silent, options[::2]) == ("curl", "-s", ["-H", "-H", "-d", "-H"])
    assert options[7] == f"Authorization: Bearer $(cat {stack.admin_token_file})"
    headers = dict(header.split(": ", 1) for header in (options[1], options[3]))
    headers["Authorization"] = f"Bearer {stack.admin_token}"
    answer = httpx.post(url, headers=headers, content=options[5], timeout=60)
    assert answer.json()["confident"]


def test_a_service_that_does_not_start_is_named_with_the_end_of_its_log(directory):
    with pytest.raises(StandaloneError, match=r"(?s)^inference ended while it started.*no-such-engine"):
        Stack(options_in(directory, engine="no-such-engine")).start()
    assert processes_in(directory) == {}
