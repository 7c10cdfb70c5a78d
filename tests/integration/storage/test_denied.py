"""Who may read and not write, or neither, is told the name of what is missing. On both stores."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.storage.addresses import bucket_settings, directory_settings
from tests.s3_server import S3Server

from fourpoint_core.errors import StorageDeniedError, StorageUnavailableError
from fourpoint_core.storage import ObjectStore, open_store
from fourpoint_core.storage.probing import Permission, probe

NOBODY = 65534
CALLS = {
    "put": lambda store: store.put("photos/b", b"x", content_type="text/plain"),
    "delete": lambda store: store.delete("photos/a"),
}
READS = {
    "read": lambda store: store.read("photos/a"),
    "stat": lambda store: store.stat("photos/a"),
    "list": lambda store: list(store.list("photos/")),
}


@pytest.fixture
def bucket(s3_server: S3Server, s3_bucket: str) -> str:
    """A bucket with an object in it."""
    open_store(bucket_settings(s3_server, s3_bucket)).put("photos/a", b"1", content_type="text/plain")
    return s3_bucket


def as_guest(server: S3Server, bucket: str) -> ObjectStore:
    return open_store(bucket_settings(server, bucket, ACCESS_KEY=server.guest_key))


def granted(store: ObjectStore) -> dict[str, bool]:
    return {trial.permission.value: trial.is_granted for trial in probe(store, "photos/")}


@pytest.mark.parametrize("call", CALLS)
def test_a_reader_of_a_bucket_is_told_that_writing_is_denied(
    s3_server: S3Server, bucket: str, call: str
) -> None:
    s3_server.let_guest_read(bucket)
    store = as_guest(s3_server, bucket)
    with pytest.raises(StorageDeniedError, match="may not do this in the bucket"):
        CALLS[call](store)
    assert [read(store) is not None for read in READS.values()] == [True] * 3


@pytest.mark.parametrize("call", [*CALLS, *READS])
def test_a_stranger_to_a_bucket_is_told_that_all_is_denied(s3_server: S3Server, bucket: str, call: str) -> None:
    with pytest.raises(StorageDeniedError, match="FOURPOINT_STORAGE_ACCESS_KEY"):
        (CALLS | READS)[call](as_guest(s3_server, bucket))


def test_the_permissions_that_a_reader_lacks_have_names(s3_server: S3Server, bucket: str) -> None:
    s3_server.let_guest_read(bucket)
    trials = {trial.permission: trial for trial in probe(as_guest(s3_server, bucket), "photos/")}
    assert {name for name, trial in trials.items() if trial.is_granted} == {Permission.LIST, Permission.READ}
    assert "AccessDenied" in (trials[Permission.WRITE].refusal or "")
    assert trials[Permission.DELETE].untried and trials[Permission.MULTIPART].untried


def test_a_stranger_lacks_all_of_them(s3_server: S3Server, bucket: str) -> None:
    assert not any(granted(as_guest(s3_server, bucket)).values())


# A directory


@pytest.fixture
def directory() -> Iterator[Path]:
    """One that anybody may look into."""
    made = Path(tempfile.mkdtemp(prefix="fourpoint-denied-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def without_the_right_to_write(root: Path) -> Iterator[None]:
    """As somebody else where this is root, whom no mode stops; else the folders are closed to all."""
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for folder in folders:
            folder.chmod(0o755)


def test_the_permissions_that_are_missing_in_a_directory_have_names(directory: Path) -> None:
    store = open_store(directory_settings(directory / "bucket"))
    store.put("photos/a", b"1", content_type="text/plain")
    with without_the_right_to_write(directory):
        trials = {trial.permission: trial for trial in probe(store, "photos/")}
        with pytest.raises(StorageUnavailableError, match="Permission denied"):
            store.delete("photos/a")
    assert {name for name, trial in trials.items() if trial.is_granted} == {Permission.LIST, Permission.READ}
    assert "Permission denied" in (trials[Permission.WRITE].refusal or "")
