"""The system's own PostgreSQL, with the extensions that come beside it; the wheel's has none of them."""

import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from benchmarks.support.servers import POSTGRES

from fourpoint_standalone import processes
from fourpoint_standalone.processes import Account

USER, PORT = "postgres", 5432
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Cluster:
    """A running one. sockets: the directory that clients name as its host."""

    sockets: Path
    pid: int

    @property
    def address(self) -> str:
        """As psycopg2 takes it."""
        return f"host={self.sockets} port={PORT} user={USER} dbname=postgres"


@contextmanager
def system_postgres(directory: Path, extension: str) -> Iterator[Cluster]:
    """A cluster of its own in a new directory, with the settings of the other benchmarks."""
    programs = _programs(extension)
    directory.mkdir(parents=True)
    log = directory.with_suffix(".log")
    account = None
    if os.getuid() == 0:
        entry = pwd.getpwnam(USER)
        account = Account(entry.pw_uid, entry.pw_gid)
        os.chown(directory, *(entry.pw_uid, entry.pw_gid))
    data = directory / "data"
    made = [programs / "initdb", "-D", data, "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(made, check=True, capture_output=True, user=account and account.uid, cwd=directory)
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(PORT)]
    for setting in ("listen_addresses=", f"unix_socket_directories={directory}", *_settings()):
        command += ["-c", setting]
    process = processes.spawn(
        command, log=log, account=account, directory=directory, death_signal=signal.SIGINT
    )
    try:
        processes.wait_until(
            lambda: _answers(directory),
            seconds=_START_SECONDS,
            process=process,
            failure=lambda: f"PostgreSQL did not start.\n{processes.tail(log)}",
        )
        yield Cluster(directory, process.pid)
    finally:
        processes.stop(process, signal.SIGINT)


def _settings() -> list[str]:
    return [f"{name}={value}" for name, value in POSTGRES.items()]


def _programs(extension: str) -> Path:
    """The newest that has the extension, where Debian and its kin put them."""
    found = sorted(
        (int(file.parents[1].name), file.parents[1].name)
        for file in Path("/usr/share/postgresql").glob(f"*/extension/{extension}.control")
        if file.parents[1].name.isdigit()
    )
    if not found:
        raise SystemExit(f"a PostgreSQL with {extension} is needed: apt-get install postgresql")
    return Path("/usr/lib/postgresql") / found[-1][1] / "bin"


def _answers(sockets: Path) -> bool:
    try:
        psycopg2.connect(host=str(sockets), port=PORT, user=USER, dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True
