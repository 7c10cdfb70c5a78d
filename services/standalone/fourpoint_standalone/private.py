"""Private places on disk: directories nobody else enters, locks, passwords, short paths for sockets."""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TextIO

from fourpoint_standalone.processes import Account, StandaloneError

# sun_path holds 104 bytes on macOS and 108 on Linux, with the terminating zero.
SOCKET_PATH_BYTES = 100


class DirectoryLock:
    """An exclusive lock that the kernel drops with the process that holds it.

    It says who holds it, for the message of whoever comes second.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file: TextIO | None = None

    def acquire(self, note: str = "") -> str | None:
        """Take the lock and leave `note` in it; None, or the holder's note when it is taken."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        file = os.fdopen(descriptor, "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                return file.read() or "unknown"
        self._file = file
        self.write(note or str(os.getpid()))
        return None

    def write(self, note: str) -> None:
        """Replace the note of a lock that is held."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(note)
            self._file.flush()

    def release(self) -> None:
        """Give the lock up; harmless when it is not held. The file stays: removing it would race."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None


def make_private(directory: Path) -> None:
    """Create a directory for this user alone; an existing one keeps its mode."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_passable(directory: Path) -> None:
    """Create a directory that others may pass through, when root, and nobody may read.

    Root's servers run as somebody else and must reach what is theirs below; their own directories are 0700.
    Modes of directories that exist are never touched.
    """
    if os.geteuid() != 0:
        make_private(directory)
    elif not directory.exists():
        make_passable(directory.parent)
        with contextlib.suppress(FileExistsError):
            directory.mkdir()
            directory.chmod(0o711)


def may_enter(directory: Path, account: Account) -> bool:
    """Whether `account` can pass through `directory` and every directory above it."""
    resolved = directory.resolve()
    return all(_may_pass(step, account) for step in (resolved, *resolved.parents))


def _may_pass(directory: Path, account: Account) -> bool:
    status = directory.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def fits_socket(directory: Path, name: str) -> bool:
    """Whether a Unix socket `name` can have its address in `directory`."""
    return len(os.fsencode(directory / name)) < SOCKET_PATH_BYTES


def socket_directory(home: Path, name: str) -> Path:
    """A private directory for the socket `name`: in `home`, or in the temporary directory when that is long."""
    inside = home.resolve() / "run"
    if fits_socket(inside, name):
        make_private(inside)
        return inside
    # The same name at every start, so that a killed process leaves at most one empty directory.
    outside = Path(tempfile.gettempdir()) / f"fourpoint-{os.geteuid()}-{path_digest(home)}"
    if not fits_socket(outside, name):
        outside = Path("/tmp") / outside.name  # noqa: S108 - checked to be ours just below
    make_private(outside)
    require_own(outside)
    return outside


def require_own(directory: Path) -> None:
    """Raises StandaloneError unless this is a real directory that only this user can change."""
    status = directory.lstat()
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or others_write:
        raise StandaloneError(f"{directory} exists and is not ours alone; remove it and start again.")


def path_digest(path: Path) -> str:
    """A short name for a directory, the same at every start."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def password_in(file: Path) -> str:
    """The password kept in `file`, readable by this user alone; made at the first call."""
    with contextlib.suppress(FileExistsError), os.fdopen(_create_private(file), "w") as new:
        new.write(secrets.token_urlsafe(24))
    return file.read_text()


def write_private(file: Path, text: str) -> None:
    """Replace `file`, readable by this user alone."""
    file.unlink(missing_ok=True)
    with os.fdopen(_create_private(file), "w") as new:
        new.write(text)


def _create_private(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def remove_tree(directory: Path) -> None:
    """Remove a directory with everything below it; harmless when it is not there."""
    if directory.exists():
        shutil.rmtree(directory)
