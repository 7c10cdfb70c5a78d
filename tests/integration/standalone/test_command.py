"""The command `fourpoint` as people and init systems use it: messages, exit codes, signals."""

import contextlib
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg2
import pytest
from sqlalchemy import make_url
from tests.integration.standalone.conftest import eventually, processes_in, temporary_directory

from fourpoint_standalone.private import DirectoryLock
from fourpoint_standalone.processes import free_port

FOURPOINT = Path(sys.executable).with_name("fourpoint")
SMALL = ("--api-workers=1", "--io-processes=1")


def fourpoint(*arguments, answer="", **environment):
    command = [FOURPOINT, *arguments]
    return subprocess.run(
        command, input=answer, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@contextlib.contextmanager
def up(directory, port):
    command = [FOURPOINT, "up", *SMALL, f"--data-directory={directory}", f"--port={port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            for line in process.stdout:
                if "end it with Ctrl-C" in line:
                    break
            assert process.poll() is None
            yield process
        finally:
            process.kill()


@dataclass
class Lives:
    """What was seen in two lives of one data directory: the first ended by SIGKILL, the second by SIGTERM."""

    left_after_kill: dict[int, str]
    names_in_second_life: list[str]
    status_after_term: int
    left_after_term: dict[int, str]


@pytest.fixture(scope="module")
def lives():
    port = free_port()
    datasets = f"http://127.0.0.1:{port}/v1/datasets"
    with temporary_directory(0o711) as directory:

        def admin():
            return {"Authorization": f"Bearer {(directory / 'data' / 'admin-token').read_text().strip()}"}

        with up(directory / "data", port) as first:
            httpx.post(datasets, headers=admin(), json={"name": "Kept"}).raise_for_status()
            first.kill()
            first.wait()
            eventually(lambda: not processes_in(directory))
            left_after_kill = processes_in(directory)
        with up(directory / "data", port) as second:
            names = [item["name"] for item in httpx.get(datasets, headers=admin()).json()["items"]]
            second.send_signal(signal.SIGTERM)
            second.stdout.read()
            status = second.wait()
        yield Lives(left_after_kill, names, status, processes_in(directory))


def test_a_killed_launcher_leaves_no_process(lives):
    assert lives.left_after_kill == {}


def test_a_second_start_finds_the_data(lives):
    assert lives.names_in_second_life == ["Kept"]


def test_sigterm_is_a_good_end(lives):
    assert lives.status_after_term == 0


def test_sigterm_leaves_no_process(lives):
    assert lives.left_after_term == {}


def test_a_busy_port_is_named_with_the_option_to_change_it(directory):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = fourpoint("up", f"--data-directory={directory}", f"--port={port}")
    assert ended.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in ended.stderr
    assert "--port" in ended.stderr


def test_a_host_that_is_not_ours_is_refused_in_a_sentence(directory):
    ended = fourpoint("up", f"--data-directory={directory}", "--host=192.0.2.1")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: Nobody can listen on 192.0.2.1, port 8040")


def test_a_data_directory_that_cannot_be_made_is_refused_in_a_sentence(directory):
    (directory / "file").touch()
    ended = fourpoint("up", "--port=0", FOURPOINT_DATA_DIRECTORY=str(directory / "file" / "data"))
    assert ended.returncode == 1
    assert "cannot hold the data: Not a directory" in ended.stderr


def test_clean_data_refuses_while_somebody_uses_the_data(directory):
    lock = DirectoryLock(directory / "fourpoint.lock")
    lock.acquire("process 7")
    ended = fourpoint("clean-data", "--yes", f"--data-directory={directory}")
    lock.release()
    assert ended.returncode == 1
    assert "in use by process 7; stop that one first" in ended.stderr


@pytest.fixture
def data(directory):
    """What a stack has left in a directory."""
    (directory / "fourpoint.lock").touch()
    (directory / "objects").mkdir()
    return directory


def test_clean_data_removes_what_a_stack_has_left(data):
    ended = fourpoint("clean-data", "--yes", f"--data-directory={data}")
    assert ended.returncode == 0
    assert not data.exists()


def test_clean_data_leaves_what_is_not_of_the_stack(data):
    (data / "letter.txt").touch()
    fourpoint("clean-data", "--yes", f"--data-directory={data}")
    assert list(data.iterdir()) == [data / "letter.txt"]


def test_clean_data_keeps_its_hands_off_a_directory_without_a_stack(directory):
    (directory / "logs").mkdir()
    ended = fourpoint("clean-data", "--yes", f"--data-directory={directory}")
    assert (ended.returncode, list(directory.iterdir())) == (1, [directory / "logs"])


def test_clean_data_asks_first(data):
    ended = fourpoint("clean-data", f"--data-directory={data}", answer="n\n")
    assert ended.returncode == 1
    assert (data / "objects").exists()


def test_migrate_names_the_variable_that_is_missing():
    ended = fourpoint("migrate")
    assert ended.returncode == 1
    assert "FOURPOINT_DATABASE_URL is not set" in ended.stderr


def test_migrate_can_be_run_again(empty_database_url):
    ended = [fourpoint("migrate", FOURPOINT_DATABASE_URL=empty_database_url) for _ in range(2)]
    assert [one.returncode for one in ended] == [0, 0]


def test_migrate_binds_the_service_where_somebody_else_is_the_owner(empty_database_url):
    as_labeler = make_url(empty_database_url).set(username="labeler", password="hidden")
    owner = {"FOURPOINT_OWNER_DATABASE_URL": empty_database_url}
    service = {"FOURPOINT_DATABASE_URL": as_labeler.render_as_string(hide_password=False)}
    refused = fourpoint("migrate", FOURPOINT_DATABASE_URL=empty_database_url, **owner)
    assert (refused.returncode, "nothing would bind it" in refused.stderr) == (1, True)
    assert fourpoint("migrate", **owner, **service).returncode == 0
    assert fourpoint("migrate", "--wait", "1", **service).returncode == 0
    assert fourpoint("user", "add", "ada", "--admin", **service).returncode == 0
    assert fourpoint("audit", **service).stdout.count("user.created") == 1


def test_migrate_asks_for_the_owner_where_the_service_may_not(postgres, empty_database_url):
    service = make_url(empty_database_url).set(username="service").render_as_string(hide_password=False)
    ended = fourpoint("migrate", FOURPOINT_DATABASE_URL=service)
    assert (ended.returncode, "as FOURPOINT_OWNER_DATABASE_URL. permission denied" in ended.stderr) == (1, True)


def test_who_waits_for_the_schema_goes_on_when_it_is_there(empty_database_url):
    variables = {"FOURPOINT_DATABASE_URL": empty_database_url}
    assert fourpoint("migrate", "--wait", "1", **variables).returncode == 1
    fourpoint("migrate", **variables)
    assert fourpoint("migrate", "--wait", "1", **variables).returncode == 0


def test_migrate_refuses_the_database_of_a_newer_version(empty_database_url):
    fourpoint("migrate", FOURPOINT_DATABASE_URL=empty_database_url)
    with contextlib.closing(psycopg2.connect(empty_database_url.replace("+psycopg2", ""))) as connection:
        connection.cursor().execute("UPDATE alembic_version SET version_num = 'from the future'")
        connection.commit()
    ended = fourpoint("migrate", FOURPOINT_DATABASE_URL=empty_database_url)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: A newer version of Fourpoint has used this database")


def test_migrate_without_a_server_is_refused_in_a_sentence():
    url = f"postgresql+psycopg2://somebody@127.0.0.1:{free_port()}/nothing"
    ended = fourpoint("migrate", FOURPOINT_DATABASE_URL=url)
    assert ended.returncode == 1
    assert "Connection refused" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_command_itself_imports_nothing_heavy():
    code = "import sys, fourpoint_standalone.cli; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"sqlalchemy", "celery", "redis", "flask", "rich", "httpx", "PIL", "numpy"} & set(loaded)
