"""What every object store does. One suite, run on a directory and on a real S3 server."""

import hashlib
import io
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from fourpoint_core.errors import InvalidInputError, ObjectMissingError
from fourpoint_core.storage import ObjectExistsError, ObjectInfo, ObjectStore
from fourpoint_core.storage.port import CHUNK_BYTES
from fourpoint_core.storage.probing import Permission, probe

MEBIBYTE = 2**20
ODD_KEYS = [
    "with space.jpg",
    " leading and trailing ",
    "plus+and%20percent.jpg",
    "quotes'\"and&<xml>.jpg",
    "question?mark#hash;semi=colon",
    "back\\slash",
    ".hidden",
    "..two-dots",
    "folder/.hidden/file",
    "ends.in.tmp",
    "ends~",
    "-dash",
    "*star[brackets]",
    "straße/图像/صورة.jpg",
    "emoji-🦊.png",
    "cafe\u0301",  # decomposed, and so another key than
    "caf\u00e9",  # the composed one
    "CASE",
    "case",
]


def put(store: ObjectStore, key: str, data: bytes = b"x") -> ObjectInfo:
    return store.put(key, data, content_type="application/octet-stream")


def put_all(store: ObjectStore, keys: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: put(store, key), keys))


def keys_of(store: ObjectStore, prefix: str = "", start_after: str | None = None) -> list[str]:
    return [info.key for info in store.list(prefix, start_after)]


def read_range(store: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    with store.open_range(key, start, length) as chunks:
        return b"".join(chunks)


class Pattern(io.RawIOBase):
    """A stream of `size` bytes that arrive in small pieces, as from a socket, and are never all in memory."""

    def __init__(self, size: int):
        self._left = size
        self._block = bytes(range(256)) * 256
        self.digest = hashlib.sha256()

    def read(self, amount: int = -1) -> bytes:
        amount = min(amount, self._left, len(self._block))
        self._left -= amount
        piece = self._block[:amount]
        self.digest.update(piece)
        return piece


# Writing and reading


def test_what_is_put_is_read(store):
    put(store, "a/b.jpg", b"content")
    assert store.read("a/b.jpg") == b"content"


def test_an_empty_object_is_an_object(store):
    assert put(store, "empty", b"").size == 0
    assert store.read("empty") == b""
    assert read_range(store, "empty", 0, 10) == b""


def test_put_tells_what_stat_tells(store):
    written, found = put(store, "a.bin", b"12345"), store.stat("a.bin")
    assert (written.key, written.size, written.etag) == ("a.bin", 5, found.etag)
    assert found.size == 5


def test_the_content_type_of_an_image_is_kept(store):
    store.put("a.png", b"1", content_type="image/png")
    assert store.stat("a.png").content_type == "image/png"


def test_times_are_aware_and_recent(store):
    put(store, "a")
    [listed] = store.list("a")
    for info in (store.stat("a"), listed):
        assert info.last_modified.tzinfo is not None
        assert abs(datetime.now(UTC) - info.last_modified) < timedelta(minutes=5)


def test_a_put_replaces_the_object_and_its_etag(store):
    first = put(store, "a", b"one")
    second = put(store, "a", b"two")
    assert store.read("a") == b"two"
    assert first.etag != second.etag == store.stat("a").etag


def test_many_overwrites_of_the_same_size_all_have_tags_of_their_own(store):
    tags = [put(store, "a", b"%03d" % number).etag for number in range(30)]
    assert len(set(tags)) == 30


def test_the_etag_stays_while_the_object_does(store):
    put(store, "a", b"one")
    assert store.stat("a").etag == store.stat("a").etag


def test_listing_and_stat_agree_on_etag_and_size(store):
    put(store, "small", b"123")
    store.put("large", Pattern(9 * MEBIBYTE), content_type="image/bmp")
    for listed in store.list():
        found = store.stat(listed.key)
        assert (listed.size, listed.etag) == (found.size, found.etag)


def test_a_stream_of_known_size_is_stored(store):
    source = io.BytesIO(b"0123456789")
    info = store.put("a", source, size=10, content_type="text/plain")
    assert (info.size, store.read("a")) == (10, b"0123456789")


def test_no_more_than_the_promised_bytes_are_taken_from_a_stream(store):
    source = io.BytesIO(b"0123456789")
    assert store.put("a", source, size=4, content_type="text/plain").size == 4
    assert (store.read("a"), source.read()) == (b"0123", b"456789")


@pytest.mark.parametrize("promised", [100, 20 * MEBIBYTE], ids=["small", "in parts"])
def test_a_stream_that_ends_early_stores_nothing(store, promised):
    with pytest.raises(InvalidInputError, match="ended after"):
        store.put("a", Pattern(promised - 1), size=promised, content_type="text/plain")
    assert not store.exists("a")
    assert keys_of(store) == []


def test_a_stream_that_fails_stores_nothing_and_its_error_is_seen(store):
    class Failing(Pattern):
        def read(self, amount: int = -1) -> bytes:
            return super().read(amount) or self._fail()

        def _fail(self) -> bytes:
            raise ConnectionResetError("the client went away")

    put(store, "a", b"before")
    with pytest.raises(ConnectionResetError):
        store.put("a", Failing(10), content_type="text/plain")
    assert store.read("a") == b"before"


@pytest.mark.parametrize("known", [True, False], ids=["known size", "unknown size"])
def test_a_large_stream_is_stored_in_bounded_memory(store, known):
    size = 64 * MEBIBYTE + 1
    source = Pattern(size)
    tracemalloc.start()
    try:
        info = store.put("large", source, size=size if known else None, content_type="application/zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert info.size == size
    assert peak < 40 * MEBIBYTE
    assert store.stat("large").etag == info.etag


def test_a_large_object_is_read_in_small_chunks(store):
    source = Pattern(20 * MEBIBYTE)
    store.put("large", source, content_type="application/zip")
    digest = hashlib.sha256()
    with store.open_range("large") as chunks:
        for chunk in chunks:
            assert 0 < len(chunk) <= CHUNK_BYTES
            digest.update(chunk)
    assert digest.digest() == source.digest.digest()


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 4, b"0123"),
        (3, 4, b"3456"),
        (9, 1, b"9"),
        (8, 100, b"89"),
        (10, None, b""),
        (99, 5, b""),
        (0, 0, b""),
        (4, 0, b""),
    ],
)
def test_a_range_is_what_a_slice_would_be(store, start, length, expected):
    put(store, "digits", b"0123456789")
    assert read_range(store, "digits", start, length) == expected


@pytest.mark.parametrize(("start", "length"), [(-1, None), (0, -1)])
def test_a_range_that_counts_backwards_is_refused(store, start, length):
    put(store, "digits")
    with pytest.raises(InvalidInputError):
        read_range(store, "digits", start, length)


def test_a_reader_may_stop_in_the_middle(store):
    put(store, "a", bytes(MEBIBYTE))
    for _ in range(30):  # more often than there are connections
        with store.open_range("a") as chunks:
            next(chunks)
    assert store.exists("a")


# What is not there


@pytest.mark.parametrize("key", ["missing", "folder/missing", "folder", "there/below"])
def test_a_missing_object_says_so(store, key):
    put(store, "folder/other")
    put(store, "there")
    assert not store.exists(key)
    for attempt in (store.read, store.stat, lambda key: read_range(store, key, 1, 0)):
        with pytest.raises(ObjectMissingError, match=key):
            attempt(key)


def test_a_deleted_object_is_gone(store):
    put(store, "folder/a")
    store.delete("folder/a")
    assert not store.exists("folder/a")
    assert keys_of(store) == []


@pytest.mark.parametrize("key", ["a", "folder/a", "folder", "other/a"])
def test_deleting_what_is_not_there_is_nothing(store, key):
    put(store, "folder/b")
    store.delete(key)
    assert keys_of(store) == ["folder/b"]


def test_a_deleted_folder_leaves_its_name_free(store):
    put(store, "a/b/c")
    store.delete("a/b/c")
    put(store, "a", b"now an object")
    assert store.read("a") == b"now an object"


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "a/../b", "..", "./a", "a\nb", "a" * 1025])
def test_every_call_refuses_a_key_against_the_rules(store, key):
    calls = [store.read, store.stat, store.exists, store.delete]
    calls += [lambda key: put(store, key), lambda key: read_range(store, key)]
    for call in calls:
        with pytest.raises(InvalidInputError):
            call(key)


# Keys


def test_odd_keys_are_kept_as_they_are(store):
    for key in ODD_KEYS:
        put(store, key, key.encode())
    assert keys_of(store) == sorted(ODD_KEYS, key=str.encode)
    assert [store.read(key).decode() for key in ODD_KEYS] == ODD_KEYS
    for key in ODD_KEYS:
        store.delete(key)
    assert keys_of(store) == []


def test_a_key_of_the_greatest_length_is_kept(store):
    key = "/".join(["ü" * 100] * 5)[:520]
    key += "x" * (1024 - len(key.encode()))
    assert len(key.encode()) == 1024
    put(store, key)
    assert keys_of(store) == [key]


# Listing


def test_an_empty_store_lists_nothing(store):
    assert keys_of(store) == []


def test_a_listing_is_in_the_order_of_the_utf8_bytes(store):
    keys = [
        "a",
        "a-b",
        "a.b",
        "a0",
        "A",
        "b/c",
        "b/c-d/e",
        "b/c.d",
        "b-c",
        "b0",
        "ü",
        "z",
        "\uffee",
        "🦊",
        "_",
        "~",
    ]
    put_all(store, keys)
    assert keys_of(store) == sorted(keys, key=str.encode)


def test_a_folder_sorts_by_its_slash(store):
    put_all(store, ["a/b", "a-b", "a0b", "a/b-c/d", "a/c", "a/b.c"])
    assert keys_of(store) == ["a-b", "a/b", "a/b-c/d", "a/b.c", "a/c", "a0b"]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("a", ["a-b", "a/b/c", "a/b/d", "a/e", "ab"]),
        ("a/", ["a/b/c", "a/b/d", "a/e"]),
        ("a/b", ["a/b/c", "a/b/d"]),
        ("a/b/", ["a/b/c", "a/b/d"]),
        ("a/b/c", ["a/b/c"]),
        ("a/b/c/", []),
        ("nothing/here", []),
        ("b", []),
        ("%", []),
    ],
)
def test_a_prefix_is_text_and_no_folder(store, prefix, expected):
    put_all(store, ["a-b", "a/b/c", "a/b/d", "a/e", "ab", "c"])
    assert keys_of(store, prefix) == expected


@pytest.mark.parametrize("prefix", ["/", "a//b", "../", "a/../b", "a\x00"])
def test_a_prefix_that_no_key_can_have_is_refused(store, prefix):
    with pytest.raises(InvalidInputError):
        store.list(prefix)


def test_a_listing_starts_again_after_any_key(store):
    keys = ["a", "a-b", "b/a", "b/b/a", "b/b/b", "b/c", "b0", "c/a", "ü/ä"]
    put_all(store, keys)
    keys.sort(key=str.encode)
    for position, key in enumerate(keys):
        assert keys_of(store, start_after=key) == keys[position + 1 :]


@pytest.mark.parametrize(
    "between", ["", "a/", "a0", "b", "b/", "b/b", "b/b/", "b/bb", "b/a/x", "b.", "zz", "b/b/a\x01"]
)
def test_a_listing_starts_after_keys_that_do_not_exist(store, between):
    keys = ["a", "b/a", "b/b/a", "b/b/b", "b/c", "c/a"]
    put_all(store, keys)
    assert keys_of(store, start_after=between) == [key for key in keys if key > between]


def test_prefix_and_start_work_together(store):
    put_all(store, ["a/1", "a/2", "a/3", "b/1"])
    assert keys_of(store, "a/", start_after="a/1") == ["a/2", "a/3"]
    assert keys_of(store, "a/", start_after="0") == ["a/1", "a/2", "a/3"]
    assert keys_of(store, "a/", start_after="b") == []


def test_a_listing_continues_beyond_a_page(store):
    keys = [f"set/{number % 3}/ü {number:04}.jpg" for number in range(220)]
    put_all(store, keys)
    keys.sort()
    assert keys_of(store) == keys
    assert keys_of(store, "set/", start_after=keys[120]) == keys[121:]


def test_a_listing_may_be_left_and_the_store_used_meanwhile(store):
    put_all(store, ["a", "b", "c"])
    listing = store.list()
    assert next(listing).key == "a"
    store.delete("a")
    put(store, "d")
    listing.close()
    assert keys_of(store) == ["b", "c", "d"]


# Writing only where nothing is


def test_if_absent_stores_a_new_object(store):
    info = store.put("a", b"one", content_type="text/plain", if_absent=True)
    assert (store.read("a"), store.stat("a").etag) == (b"one", info.etag)


@pytest.mark.parametrize("size", [3, 9 * MEBIBYTE], ids=["small", "in parts"])
def test_if_absent_never_replaces(store, size):
    put(store, "a", b"one")
    with pytest.raises(ObjectExistsError):
        store.put("a", Pattern(size), content_type="text/plain", if_absent=True)
    assert store.read("a") == b"one"


def test_if_absent_stores_a_large_object(store):
    info = store.put("a", Pattern(9 * MEBIBYTE), content_type="text/plain", if_absent=True)
    assert store.stat("a").size == info.size == 9 * MEBIBYTE


def test_a_deleted_key_is_absent_again(store):
    put(store, "a")
    store.delete("a")
    store.put("a", b"two", content_type="text/plain", if_absent=True)
    assert store.read("a") == b"two"


def try_to_create(store: ObjectStore, key: str, data: bytes) -> bool:
    try:
        store.put(key, data, content_type="text/plain", if_absent=True)
    except ObjectExistsError:
        return False
    return True


def test_writers_that_race_for_a_key_leave_the_object_of_a_winner(store):
    bodies = [bytes([number]) * 100_000 for number in range(8)]
    for turn in range(5):
        key = f"race/{turn}"
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda body, key=key: try_to_create(store, key, body), bodies))
        assert store.read(key) in [body for body, winner in zip(bodies, won, strict=True) if winner]


def test_parallel_overwrites_leave_one_of_them_whole(store):
    bodies = [bytes([number]) * 300_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: put(store, "a", body), bodies))
    assert store.read("a") in bodies


def test_an_object_replaced_while_it_is_read_is_never_a_mixture(store):
    put(store, "a", b"1" * MEBIBYTE)
    with store.open_range("a") as chunks:
        first = next(chunks)
        put(store, "a", b"2" * MEBIBYTE)
        rest = b"".join(chunks)
    assert set(first + rest) == {ord("1")}


def test_a_store_that_works_passes_its_check(store):
    store.check()


# What is told of bytes, and of permissions


def test_equal_bytes_are_never_told_apart_and_others_never_taken_for_equal(store):
    one, same, other = put(store, "a", b"one"), put(store, "b/c", b"one"), put(store, "d", b"two")
    assert store.same_bytes(one.etag, same.etag) in {True, None}
    assert store.same_bytes(one.etag, other.etag) in {False, None}
    # What was written in parts has a tag of another kind, which says nothing about one written in one piece.
    store.put("large", Pattern(9 * MEBIBYTE), content_type="image/bmp")
    assert store.same_bytes(store.stat("large").etag, one.etag) is None


def test_all_that_is_needed_may_be_done_and_nothing_is_left_of_the_trial(store):
    put(store, "photos/a.png")
    trials = probe(store, "photos/")
    assert {trial.permission for trial in trials} == set(Permission)
    assert all(trial.is_granted for trial in trials)
    assert keys_of(store) == ["photos/a.png"]


def test_a_folder_that_is_not_there_yet_can_be_tried(store):
    assert all(trial.is_granted for trial in probe(store, "new/folder/"))
    assert keys_of(store) == []
