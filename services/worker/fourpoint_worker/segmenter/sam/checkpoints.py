"""Checkpoint files: the official ones, how they are fetched, whether one is what it should be. No torch."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from fourpoint_core.errors import SettingsError

_CHUNK_BYTES = 1 << 20
_TIMEOUT = urllib3.Timeout(connect=10, read=60)
_PARTIAL = 206
_OK = 200
_RANGE_NOT_SATISFIABLE = 416

Progress = Callable[[int, int | None], None]
"""Told the bytes that are there, and how many there will be, if that is known."""


@dataclass(frozen=True, slots=True)
class OfficialCheckpoint:
    """A file that Segment Anything's authors publish. sha256: hex."""

    model: str
    url: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """What it is called in a directory of models."""
        return self.url.rpartition("/")[2]


_SOURCE = "https://dl.fbaipublicfiles.com/segment_anything/"
OFFICIAL = {
    checkpoint.model: checkpoint
    for checkpoint in (
        OfficialCheckpoint(
            "vit_b",
            f"{_SOURCE}sam_vit_b_01ec64.pth",
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            375_042_383,
        ),
        OfficialCheckpoint(
            "vit_l",
            f"{_SOURCE}sam_vit_l_0b3195.pth",
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            1_249_524_607,
        ),
        OfficialCheckpoint(
            "vit_h",
            f"{_SOURCE}sam_vit_h_4b8939.pth",
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            2_564_550_879,
        ),
    )
}


def models_directory(configured: str = "") -> Path:
    """Where checkpoints are kept: as configured, or in the user's cache."""
    if configured:
        return Path(configured)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "fourpoint" / "models"


def locate(
    checkpoint: str, sha256: str, model: str, directory: Path, progress: Progress = lambda there, of: None
) -> tuple[Path, str]:
    """The checkpoint that configuration names, on this machine, and its digest; fetched if need be.

    checkpoint: a path or a URL; empty is the official one of `model`. sha256: what it must be; a URL needs one.
    Raises SettingsError.
    """
    if not checkpoint:
        official = OFFICIAL.get(model or "vit_b")
        if official is None:
            raise SettingsError(f"FOURPOINT_SAM_MODEL: {model!r} is none of {', '.join(OFFICIAL)}.")
        checkpoint, sha256 = official.url, sha256 or official.sha256
    if urlsplit(checkpoint).scheme not in {"http", "https"}:
        path = Path(checkpoint)
        return path, require_digest(path, sha256)
    if not sha256:
        raise SettingsError(
            "FOURPOINT_SAM_SHA256 is not set: a checkpoint from a URL is taken only by its digest."
        )
    path = directory / (urlsplit(checkpoint).path.rpartition("/")[2] or "checkpoint")
    if path.exists():
        with contextlib.suppress(SettingsError):
            return path, require_digest(path, sha256)
    fetch(checkpoint, path, sha256, progress)
    return path, sha256.lower()


def require_digest(path: Path, sha256: str) -> str:
    """The file's SHA-256 (hex), if it is `sha256`; empty: whichever it is. Raises SettingsError."""
    found = digest_of(path)
    if sha256 and found != sha256.lower():
        raise SettingsError(f"{path} is another file than asked for: its SHA-256 is {found}, not {sha256}.")
    return found


def digest_of(path: Path) -> str:
    """Hex SHA-256 of a file. Raises SettingsError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SettingsError(f"The checkpoint {path} cannot be read: {error.strerror}.") from error


def fetch(url: str, path: Path, sha256: str, progress: Progress = lambda there, of: None) -> None:
    """Download a checkpoint to `path`; it is there only when it is whole and has this SHA-256.

    What an earlier call has left in `path`.part is gone on with; another process that is at it is waited for.
    Raises SettingsError.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _owned(part) as file:
            if path.exists() and digest_of(path) == sha256.lower():
                return
            _download(url, file, progress)
            found = digest_of(part)
            if found != sha256.lower():
                part.unlink()
                raise SettingsError(
                    f"What {url} sent has the SHA-256 {found}, not {sha256}; it was removed. Try again, or "
                    "correct the digest."
                )
            part.replace(path)
    except (HTTPError, OSError) as error:
        raise SettingsError(
            f"{url} could not be fetched: {error}. Try again: what has arrived stays in {part}."
        ) from error


@contextlib.contextmanager
def _owned(part: Path) -> Iterator[BinaryIO]:
    """The part file, open for one process at a time to append to; gone afterwards where it is empty."""
    while True:
        with part.open("ab") as file:
            # On a volume that knows no locks, those who fetch at once are in each other's way.
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _lies_at(part, file):
                # Whoever had it has finished, or removed it.
                continue
            try:
                yield file
            finally:
                if os.fstat(file.fileno()).st_size == 0:
                    part.unlink(missing_ok=True)
            return


def _lies_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _download(url: str, part: BinaryIO, progress: Progress) -> None:
    there = os.fstat(part.fileno()).st_size
    with _opened(url, there) as answer:
        if answer.status == _RANGE_NOT_SATISFIABLE:
            # There is nothing behind what we have: it is whole, or too long, which the digest will tell.
            return
        if answer.status not in {_OK, _PARTIAL}:
            raise SettingsError(f"{url} answers {answer.status}; check the address.")
        if answer.status == _OK:
            there = 0
        length = answer.headers.get("Content-Length")
        total = None if length is None else there + int(length)
        part.truncate(there)
        progress(there, total)
        for chunk in answer.stream(_CHUNK_BYTES):
            part.write(chunk)
            there += len(chunk)
            progress(there, total)
        part.flush()


@contextlib.contextmanager
def _opened(url: str, start: int) -> Iterator[urllib3.BaseHTTPResponse]:
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    with urllib3.PoolManager(timeout=_TIMEOUT) as pool:
        answer = pool.request("GET", url, headers=headers, preload_content=False, retries=urllib3.Retry(2))
        try:
            yield answer
        finally:
            answer.release_conn()
