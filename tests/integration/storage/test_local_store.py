"""What is particular to a directory: its layout, its limits, and writers that are killed."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fourpoint_core.errors import InvalidInputError, ObjectMissingError, StorageUnavailableError
from fourpoint_core.storage import ObjectExistsError
from fourpoint_core.storage.local_files import RESERVED
from fourpoint_core.storage.local_store import LocalStore

# A writer that ends itself, as kill -9 does, right before or after one system call of a put.
WRITER = """
import os, signal, sys
from pathlib import Path
from fourpoint_core.storage.local_store import LocalStore

root, call, moment, if_absent = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "True"
store, real = LocalStore(root), getattr(os, call)

def fatal(*args, **kwargs):
    if moment == "after":
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, call, fatal)
store.put("folder/a", b"new" * 1_000_000, content_type="text/plain", if_absent=if_absent)
"""
ENDLESS_WRITER = """
import sys
from pathlib import Path
from fourpoint_core.storage.local_store import LocalStore

store = LocalStore(Path(sys.argv[1]))
print("writing", flush=True)
for number in range(10**9):
    store.put("folder/a", bytes([number % 256]) * 1_000_000, content_type="text/plain")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


def put(store: LocalStore, key: str, data: bytes = b"x") -> None:
    store.put(key, data, content_type="text/plain")


def keys_of(store: LocalStore) -> list[str]:
    return [info.key for info in store.list()]


def leftovers(root: Path) -> list[str]:
    return [path.name for path in (root / RESERVED).iterdir()]


# The layout


def test_an_object_is_the_file_of_its_name(store, root):
    put(store, "photos/cat.jpg", b"meow")
    assert (root / "photos" / "cat.jpg").read_bytes() == b"meow"


def test_a_file_that_somebody_dropped_in_is_an_object(store, root):
    (root / "photos").mkdir()
    (root / "photos" / "dog.jpg").write_bytes(b"woof")
    assert store.read("photos/dog.jpg") == b"woof"
    assert store.stat("photos/dog.jpg").content_type == "image/jpeg"
    assert keys_of(store) == ["photos/dog.jpg"]


def test_a_file_replaced_by_hand_gets_another_etag(store, root):
    put(store, "a", b"one")
    before = store.stat("a").etag
    (root / "a").write_bytes(b"two")
    assert store.stat("a").etag != before


def test_more_files_than_a_page_are_listed_in_order(store, root):
    names = [f"{number:05}.jpg" for number in range(2100)]
    (root / "many").mkdir()
    for name in names:
        (root / "many" / name).touch()
    assert keys_of(store) == [f"many/{name}" for name in names]


def test_a_thousand_folders_inside_each_other_are_no_problem(store):
    key = "/".join(["d"] * 512)
    put(store, key)
    assert keys_of(store) == [key]
    store.delete(key)
    assert keys_of(store) == []


def test_two_openings_of_a_directory_see_the_same_objects(store, root):
    put(store, "a")
    assert keys_of(LocalStore(root)) == ["a"]


# What a file system cannot hold


def test_a_key_that_continues_another_is_refused(store):
    put(store, "a")
    with pytest.raises(InvalidInputError, match="cannot hold both"):
        put(store, "a/b")
    assert keys_of(store) == ["a"]


@pytest.mark.parametrize("if_absent", [True, False])
def test_a_key_that_another_continues_is_refused(store, if_absent):
    put(store, "a/b")
    with pytest.raises(InvalidInputError, match="cannot hold both"):
        store.put("a", b"x", content_type="text/plain", if_absent=if_absent)
    assert keys_of(store) == ["a/b"]


def test_a_segment_of_255_bytes_is_kept_and_a_longer_one_refused(store):
    put(store, "x" * 255)
    with pytest.raises(InvalidInputError, match="255 bytes"):
        put(store, "folder/" + "ü" * 128)


@pytest.mark.parametrize("key", [f"{RESERVED}/a", RESERVED])
def test_the_reserved_directory_holds_no_objects(store, key):
    for call in (store.read, store.delete, lambda key: put(store, key)):
        with pytest.raises(InvalidInputError, match="reserved"):
            call(key)
    assert list(store.list(f"{RESERVED}/")) == []


def test_the_reserved_name_is_free_further_down(store):
    put(store, f"a/{RESERVED}/b")
    assert keys_of(store) == [f"a/{RESERVED}/b"]


# What lies outside, or is no file


@pytest.fixture
def outside(tmp_path: Path, store: LocalStore, root: Path) -> Path:
    """A directory beside the store, with links to it, and to its file, from inside."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret").write_text("secret")
    (root / "folder-link").symlink_to(directory)
    (root / "file-link").symlink_to(directory / "secret")
    return directory


@pytest.mark.parametrize("key", ["folder-link/secret", "file-link", "folder-link"])
def test_links_are_not_followed(store, outside, key):
    with pytest.raises(ObjectMissingError):
        store.read(key)
    assert not store.exists(key)
    store.delete(key)
    assert (outside / "secret").read_text() == "secret"


def test_links_are_not_listed(store, outside):
    assert keys_of(store) == []
    assert list(store.list("folder-link/")) == []


def test_nothing_is_written_through_a_link(store, outside):
    with pytest.raises(InvalidInputError):
        put(store, "folder-link/new")
    put(store, "file-link", b"mine")
    assert list(outside.iterdir()) == [outside / "secret"]
    assert (outside / "secret").read_text() == "secret"
    assert store.read("file-link") == b"mine"


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "bucket").symlink_to(tmp_path / "disk")
    put(LocalStore(tmp_path / "bucket"), "a")
    assert (tmp_path / "disk" / "a").exists()


def test_pipes_and_names_that_are_no_text_are_no_objects(store, root):
    os.mkfifo(root / "pipe")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).touch()
    assert keys_of(store) == []
    with pytest.raises(ObjectMissingError):
        store.read("pipe")


# Trouble


def test_a_directory_that_vanished_is_unavailable_and_not_empty(store, root):
    root.rename(root.with_name("unmounted"))
    for call in (store.check, lambda: store.read("a"), lambda: keys_of(store), lambda: put(store, "a")):
        with pytest.raises(StorageUnavailableError):
            call()


def test_a_full_disk_is_unavailable_and_leaves_nothing(store, root, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageUnavailableError, match="No space left"):
        put(store, "a")
    assert (keys_of(store), leftovers(root)) == ([], [])


def test_a_put_leaves_nothing_but_the_object(store, root):
    put(store, "a")
    with pytest.raises(ObjectExistsError):
        store.put("a", b"y", content_type="text/plain", if_absent=True)
    assert leftovers(root) == []


# Races


def test_of_writers_that_race_for_a_key_exactly_one_wins(store):
    def create(key: str, number: int) -> bool:
        barrier.wait()
        try:
            store.put(key, bytes([number]) * 1000, content_type="text/plain", if_absent=True)
        except ObjectExistsError:
            return False
        return True

    for turn in range(20):
        barrier = threading.Barrier(8)
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(create, [f"race/{turn}"] * 8, range(8)))
        assert sum(won) == 1
        assert store.read(f"race/{turn}") == bytes([won.index(True)]) * 1000


def test_folders_that_come_and_go_lose_no_write(store):
    def write_and_delete(number: int) -> None:
        for _ in range(100):
            put(store, f"deep/folder/{number}", b"%d" % number)
            assert store.read(f"deep/folder/{number}") == b"%d" % number
            store.delete(f"deep/folder/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_and_delete, range(4)))
    assert keys_of(store) == []


def test_opening_the_directory_leaves_living_writers_alone(store, root):
    class Slow:
        def __init__(self) -> None:
            self.pieces = [b"one", b"two", b""]

        def read(self, _: int) -> bytes:
            LocalStore(root)
            return self.pieces.pop(0)

    assert store.put("a", Slow(), content_type="text/plain").size == 6
    assert store.read("a") == b"onetwo"


# Kill -9


@pytest.mark.parametrize("if_absent", [True, False], ids=["new", "replacing"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["write", "utime", "fsync", "name"])
def test_a_writer_killed_at_any_step_leaves_old_new_or_nothing(root, store, call, moment, if_absent):
    old = [] if if_absent else [b"old"]
    for content in old:
        put(store, "folder/a", content)
    if call == "name":
        call = "link" if if_absent else "replace"
    arguments = [str(root), call, moment, str(if_absent)]
    writer = subprocess.run([sys.executable, "-c", WRITER, *arguments], check=False)
    assert writer.returncode == -signal.SIGKILL
    published = call in {"link", "replace"} and moment == "after"
    reopened = LocalStore(root)
    found = [reopened.read(key) for key in keys_of(reopened)]
    assert found == ([b"new" * 1_000_000] if published else old)
    assert leftovers(root) == []


def test_readers_of_a_writer_killed_at_random_find_whole_objects(root):
    for milliseconds in (5, 11, 17, 23, 31):
        writer = subprocess.Popen([sys.executable, "-c", ENDLESS_WRITER, root], stdout=subprocess.PIPE)
        assert writer.stdout and writer.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(milliseconds / 1000)
        writer.kill()
        writer.communicate()
        store = LocalStore(root)
        for key in keys_of(store):
            data = store.read(key)
            assert len(data) == 1_000_000
            assert len(set(data)) == 1
        assert leftovers(root) == []
