"""One running system with short leases, whose parts are killed under load."""

import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.faults.load import LEASE, Load

from fourpoint_standalone import supervisor
from fourpoint_standalone.stack import Stack, StackOptions, remove_data

# Seconds instead of a quarter of a minute, so that what waits for them happens while one watches.
SHORT = {
    "FOURPOINT_LEASE_SECONDS": str(LEASE.total_seconds()),
    "FOURPOINT_SWEEP_SECONDS": "0.5",
    "FOURPOINT_REDISPATCH_SECONDS": "2",
}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running system with empty data; services that are killed come back at once, however often."""
    directory = Path(tempfile.mkdtemp(prefix="fourpoint-faults-"))
    directory.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.1)
        with Stack(StackOptions(directory, api_port=0, io_processes=1, environment=SHORT)) as running:
            yield running
    remove_data(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def load(stack: Stack) -> Iterator[Load]:
    """People who click and save without pause, each on an image of their own."""
    with Load(stack) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes logged as exceptions, because their directory goes with the test run."""
    report = yield
    stack = item.funcargs.get("stack") if isinstance(item, pytest.Function) else None
    if report.failed and isinstance(stack, Stack):
        for log in stack.log_directory.glob("*.log"):
            lines = [line for line in log.read_text(errors="replace").splitlines() if '"exception"' in line]
            report.sections.append((f"exceptions in {log.name}", "\n".join(lines[-5:])))
    return report
