"""The embedded PostgreSQL: private, crash-safe, one at a time, and gone with whoever started it."""

import contextlib
import os
import pwd
import signal
import socket
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import make_url
from tests.integration.standalone.conftest import eventually, processes_in, temporary_directory

from fourpoint_standalone import schema
from fourpoint_standalone.postgres import PostgresServer, remove_data
from fourpoint_standalone.processes import StandaloneError, free_port

HASTY = {"fsync": "off", "full_page_writes": "off"}
IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root has PostgreSQL run as somebody else")
only_others = pytest.mark.skipif(IS_ROOT, reason="root does not run PostgreSQL as itself")


@pytest.fixture(scope="module")
def one_for_all():
    """A server whose data is made once; the tests stop and kill it as they like."""
    with temporary_directory(0o711) as directory:
        server = PostgresServer(directory / "postgres", options=HASTY)
        yield server
        server.stop("immediate")


@pytest.fixture(scope="module")
def closed_for_all():
    """A server in a directory that nobody else may pass through."""
    with temporary_directory(0o700) as directory:
        server = PostgresServer(directory / "postgres", options=HASTY)
        yield server
        server.stop("immediate")


@pytest.fixture
def server(one_for_all):
    one_for_all.start()
    return one_for_all


@pytest.fixture
def stopped(server):
    """A directory with data, and nobody who runs it."""
    server.stop("immediate")
    return server.log_file.parent


@pytest.fixture
def closed(closed_for_all):
    closed_for_all.start()
    return closed_for_all


@contextlib.contextmanager
def running(directory, port=None):
    server = PostgresServer(directory, port, HASTY)
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")


def execute(server, statement):
    with (
        contextlib.closing(psycopg2.connect(server.url().replace("+psycopg2", ""))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def owner_of(pid):
    return Path(f"/proc/{pid}").stat().st_uid


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_what_was_committed_survives_a_restart(server, mode):
    execute(server, f"CREATE TABLE {mode} AS SELECT 7 AS number")
    server.restart(mode)
    assert execute(server, f"SELECT number FROM {mode}") == [(7,)]


def test_a_service_whose_password_was_lost_is_let_in_with_its_next_one(stopped):
    with running(stopped, free_port()) as server:
        server.create_database("labels")
        for password in ("first", "it's the 2nd: 100%"):
            service = make_url(server.url("labels")).set(username="labeler", password=password)
            schema.upgrade(server.url("labels"), service.render_as_string(hide_password=False))
            schema.wait_until_current(service.render_as_string(hide_password=False), 1)
        assert "first" not in server.log_file.read_text()


def test_the_address_stays_the_same_over_a_restart(server):
    before = server.url()
    server.restart()
    assert server.url() == before


def test_stopping_leaves_no_process(server):
    server.stop()
    assert processes_in(server.log_file.parent) == {}


def test_a_second_launcher_is_told_who_runs_it(server):
    with pytest.raises(StandaloneError, match=f"already run by process {os.getpid()}"):
        PostgresServer(server.log_file.parent).start()


def test_a_running_server_keeps_its_data_from_being_removed(server):
    with pytest.raises(StandaloneError, match="stop that one first"):
        remove_data(server.log_file.parent)


def test_a_pid_file_of_another_program_is_no_obstacle(stopped):
    (stopped / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with running(stopped) as server:
        assert execute(server, "SELECT 1") == [(1,)]


def test_a_killed_launcher_leaves_no_process(launch, stopped):
    launcher = launch("postgres", stopped)
    launcher.kill()
    launcher.wait()
    assert eventually(lambda: not processes_in(stopped))


def test_a_server_starts_at_once_after_its_launcher_was_killed(launch, stopped):
    launcher = launch("postgres", stopped)
    launcher.kill()
    launcher.wait()
    with running(stopped) as server:
        assert execute(server, "SELECT 1") == [(1,)]


def test_a_crash_of_the_postmaster_is_seen(server):
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: server.pid is None)
    assert server.status == -signal.SIGKILL


def test_after_a_crash_it_starts_again(server):
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: server.pid is None)
    server.start()
    assert execute(server, "SELECT 1") == [(1,)]


def test_a_busy_port_is_named_with_the_option_to_change_it(stopped):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StandaloneError, match=f"Port {port} .* --postgres-port"):
            PostgresServer(stopped, port).start()


def test_a_port_can_be_had_as_well(stopped):
    with running(stopped, free_port()) as server:
        assert execute(server, "SELECT 1") == [(1,)]


def test_any_path_will_do(directory):
    with running(directory / f"with spaces, ünïcode and {'length' * 20}" / "postgres") as server:
        assert execute(server, "SELECT 1") == [(1,)]


def test_the_modes_of_directories_above_stay_as_they_were(closed):
    assert closed.log_file.parent.parent.stat().st_mode & 0o777 == 0o700


@only_root
def test_as_root_it_runs_as_nobody(server):
    assert owner_of(server.pid) == pwd.getpwnam("nobody").pw_uid


@only_root
def test_as_root_it_works_in_a_directory_that_only_root_can_enter(closed):
    assert execute(closed, "SELECT 1") == [(1,)]


@only_root
def test_as_root_a_cluster_that_lies_elsewhere_is_removed_with_the_data(closed):
    closed.stop("immediate")
    directory = closed.log_file.parent
    elsewhere = Path((directory / "cluster-is-elsewhere").read_text())
    remove_data(directory)
    assert not elsewhere.exists()


@only_others
def test_as_an_ordinary_user_it_runs_as_that_user(server):
    assert owner_of(server.pid) == os.geteuid()
