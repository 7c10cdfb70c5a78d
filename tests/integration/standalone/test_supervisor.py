"""The supervisor, over small programs of this test's own."""

import os
import signal
import sys
import threading
import time

import pytest
from tests.integration.standalone.conftest import eventually, processes_in

from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.supervisor import LOG_BYTES, Program, Supervisor

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
# A child in a session of its own, which no signal to the program's group reaches.
WITH_CHILD, WITH_STUBBORN_CHILD = (
    f"""
import subprocess, sys
subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)
{SLEEP}
"""
    for child in (SLEEP, STUBBORN)
)


@pytest.fixture
def reports():
    return []


@pytest.fixture
def supervisor(reports):
    supervisor = Supervisor(reports.append)
    yield supervisor
    supervisor.stop()


@pytest.fixture
def program(tmp_path):
    def make(code, name="program", grace_seconds=5.0):
        command = [sys.executable, "-c", code]
        return Program(
            command, log_file=tmp_path / f"{name}.log", directory=tmp_path, grace_seconds=grace_seconds
        )

    return make


def starts_of(program):
    return program.log_file.read_text().count("up\n") if program.log_file.exists() else 0


def test_a_killed_service_is_started_again(supervisor, program):
    service = program(SLEEP)
    supervisor.start(service=service)
    supervisor.watch()
    assert eventually(lambda: starts_of(service) == 1)
    supervisor.kill("service")
    assert eventually(lambda: starts_of(service) == 2)


def test_the_kill_reaches_the_program_and_not_its_keeper(supervisor, program, reports):
    service = program(SLEEP)
    supervisor.start(service=service)
    supervisor.watch()
    assert eventually(lambda: starts_of(service) == 1)
    supervisor.kill("service", signal.SIGINT)
    assert eventually(lambda: reports)
    assert "SIGINT" in reports[0]


def test_a_killed_program_is_the_service_until_what_it_leaves_has_ended(supervisor, program, tmp_path):
    service = program(WITH_STUBBORN_CHILD)
    supervisor.start(service=service)
    assert eventually(lambda: starts_of(service) == 2)
    killed = service.pid
    supervisor.kill("service")
    assert eventually(lambda: service.pid != killed)
    assert (service.pid, processes_in(tmp_path)) == (None, {})


def test_a_service_whose_keeper_is_killed_is_started_again_alone(supervisor, program, tmp_path):
    service = program(WITH_CHILD)
    supervisor.start(service=service)
    supervisor.watch()
    assert eventually(lambda: starts_of(service) == 2)
    os.kill(service._keeper.pid, signal.SIGKILL)
    assert eventually(lambda: starts_of(service) == 4)


def test_a_service_that_keeps_ending_is_started_ever_more_slowly(supervisor, program, reports):
    supervisor.start(service=program("raise SystemExit(3)"))
    supervisor.watch()
    assert eventually(lambda: len(reports) >= 3)
    assert [report.rpartition(" in ")[2] for report in reports[:3]] == ["0.25 s", "0.5 s", "1 s"]


def test_a_service_that_its_watchdog_ends_is_started_at_once(supervisor, program, reports):
    supervisor.start(service=program("raise SystemExit(70)"))
    supervisor.watch()
    assert eventually(lambda: reports)
    assert reports[0] == "service ended with status 70; starting it again in 0 s"


def test_before_watching_an_early_end_is_left_to_the_caller(supervisor, program, reports):
    supervisor.start(service=program("raise SystemExit(3)"))
    assert eventually(lambda: supervisor.ended)
    assert reports == []


def test_while_a_service_is_handled_its_end_is_nobodys_business(supervisor, program, reports):
    supervisor.start(service=program(SLEEP))
    supervisor.watch()
    with supervisor.handling("service") as service:
        service.stop()
        time.sleep(0.5)
        service.start()
    time.sleep(0.3)
    assert reports == []


def test_stopping_leaves_nobody_behind(supervisor, program, tmp_path):
    supervisor.start(one=program(WITH_CHILD, "one"), two=program(SLEEP, "two"))
    supervisor.watch()
    assert eventually(lambda: len(processes_in(tmp_path)) == 5)
    supervisor.stop()
    assert processes_in(tmp_path) == {}


def test_a_service_that_ignores_the_request_is_killed_after_its_grace(supervisor, program, tmp_path):
    service = program(STUBBORN, grace_seconds=0.3)
    supervisor.start(service=service)
    assert eventually(lambda: starts_of(service) == 1)
    supervisor.stop()
    assert processes_in(tmp_path) == {}


def test_services_stop_in_reverse_order(supervisor):
    stopped = []
    for name in ("first", "second", "third"):
        supervisor.start(**{name: Fake(lambda name=name: stopped.append(name))})
    supervisor.stop()
    assert stopped == ["third", "second", "first"]


def test_services_that_were_started_together_stop_together(supervisor):
    meeting = threading.Barrier(2, timeout=10)
    supervisor.start(one=Fake(meeting.wait), other=Fake(meeting.wait))
    supervisor.stop()
    assert not meeting.broken


def test_one_that_does_not_stop_keeps_nobody_else_from_stopping(tmp_path):
    stopped = []
    supervisor = Supervisor(lambda text: None)
    supervisor.start(first=Fake(lambda: stopped.append("first")))
    supervisor.start(second=Fake(_refuse))
    with pytest.raises(StandaloneError, match="refused"):
        supervisor.stop()
    assert stopped == ["first"]


def test_output_goes_to_the_log(supervisor, program):
    service = program("print('hello')")
    supervisor.start(service=service)
    assert eventually(lambda: supervisor.ended)
    assert service.log_file.read_text() == "hello\n"


def test_a_long_log_is_set_aside_at_the_next_start(supervisor, program, tmp_path):
    service = program("print('hello')")
    service.log_file.write_bytes(b"x" * (LOG_BYTES + 1))
    supervisor.start(service=service)
    assert eventually(lambda: supervisor.ended)
    assert service.log_file.read_text() == "hello\n"


def _refuse():
    raise StandaloneError("refused")


class Fake:
    """A service without a process."""

    pid = status = None

    def __init__(self, when_stopped):
        self.stop = when_stopped

    def start(self):
        pass
