"""The join of a bucket and a table, against a plain model that keeps both as dictionaries."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.domain.reconcile import (
    Finding,
    Known,
    Listed,
    Role,
    Standing,
    Vanished,
    Verdict,
    judge_sidecar,
    pair_renames,
    reconcile,
    role_of,
    stand_in_digest,
    stem_of,
)
from fourpoint_core.ids import new_id

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = [
    "a.jpg",
    "a.png",
    "a.xml",
    "a-b.jpg",
    "a/b.BMP",
    "a.txt",
    "a.gif",
    "é.jpg",
    "🦊.jpg",
    "\ufffd.jpg",
    "z/",
]
objects = st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sampled_from("xy"), st.integers(1, 2)))
rows = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from(Standing), st.sampled_from("xy"), st.integers(1, 2)),
)


def listed(bucket: dict[str, tuple[str, int]]) -> list[Listed]:
    return [Listed(key, *bucket[key], NOON) for key in sorted(bucket, key=str.encode)]


def known(table: dict[str, tuple[Standing, str, int]]) -> list[Known]:
    return [Known(key, *table[key]) for key in sorted(table, key=str.encode)]


def model(key: str, bucket: dict[str, tuple[str, int]], table: dict[str, tuple[Standing, str, int]]) -> Finding:
    """What the docstring of `reconcile` says, one key at a time."""
    if key not in table:
        if key.lower().endswith((".txt", "/")):
            return Finding.IGNORED
        return Finding.REFUSED if key.lower().endswith(".gif") else Finding.ADDED
    standing, *seen = table[key]
    if key not in bucket:
        return {
            Standing.PRESENT: Finding.MISSING,
            Standing.MISSING: Finding.STILL_MISSING,
            Standing.TRASHED: Finding.LEFT_ALONE,
        }.get(standing, Finding.GONE)
    same = tuple(seen) == bucket[key]
    if standing in {Standing.TRASHED, Standing.FORGOTTEN}:
        return Finding.LEFT_ALONE
    if standing is Standing.MISSING:
        return Finding.RETURNED
    if standing is Standing.REFUSED:
        return Finding.REFUSED if same else Finding.ADDED
    return Finding.UNCHANGED if same else Finding.UPDATED


@given(objects, rows)
def test_every_key_is_found_once_in_order_as_the_model_says(bucket, table):
    steps = list(reconcile(listed(bucket), known(table)))
    assert [step.key for step in steps] == sorted({*bucket, *table}, key=str.encode)
    assert {step.key: step.finding for step in steps} == {k: model(k, bucket, table) for k in {*bucket, *table}}


@given(objects, rows, st.sampled_from(["", *NAMES]))
def test_a_join_that_was_cut_short_goes_on_behind_any_key(bucket, table, cursor):
    whole = list(reconcile(listed(bucket), known(table)))
    rest = reconcile(
        [one for one in listed(bucket) if one.key > cursor], [one for one in known(table) if one.key > cursor]
    )
    assert [step for step in whole if step.key <= cursor] + list(rest) == whole


@given(objects)
def test_what_was_taken_in_is_unchanged_the_next_time(bucket):
    images = {key: seen for key, seen in bucket.items() if role_of(key) in {Role.IMAGE, Role.SIDECAR}}
    table = {key: (Standing.PRESENT, *seen) for key, seen in images.items()}
    findings = {step.finding for step in reconcile(listed(images), known(table))}
    assert findings <= {Finding.UNCHANGED}


def test_no_more_of_either_stream_is_read_than_the_join_has_come_to():
    taken = []

    def stream():
        for key in ("a.jpg", "b.jpg", "c.jpg"):
            taken.append(key)
            yield Listed(key, "x", 1, NOON)

    steps = reconcile(stream(), [])
    next(steps)
    assert taken == ["a.jpg"]


@pytest.mark.parametrize(
    ("key", "role"),
    [
        ("in/a.jpg", Role.IMAGE),
        ("in/A.JPEG", Role.IMAGE),
        ("a.b.Png", Role.IMAGE),
        ("a.bmp", Role.IMAGE),
        ("a.webp", Role.FOREIGN),
        ("in/a.XML", Role.SIDECAR),
        ("in/a.txt", Role.OTHER),
        ("in/jpg", Role.OTHER),
        ("in/.jpg", Role.OTHER),
        ("in/a.jpg/", Role.OTHER),
        ("in/a.jpg.bak", Role.OTHER),
    ],
)
def test_an_objects_name_says_what_it_is_for(key, role):
    assert role_of(key) is role


def test_an_image_and_its_sidecar_share_the_stem():
    assert stem_of("in/a.b.JPG") == stem_of("in/a.b.xml") == "in/a.b"


def test_what_stands_for_unread_bytes_is_no_digest_of_any():
    assert stand_in_digest("x:1") == stand_in_digest("x:1") != stand_in_digest("x:2")
    with pytest.raises(ValueError):
        bytes.fromhex(stand_in_digest("x:1"))


@pytest.mark.parametrize(
    ("edited_here", "says_the_same", "verdict"),
    [
        (False, False, Verdict.READ),
        (True, False, Verdict.CONFLICT),
        (False, True, Verdict.SAME),
        (True, True, Verdict.SAME),
    ],
)
def test_what_was_edited_here_counts(edited_here, says_the_same, verdict):
    assert judge_sidecar(edited_here=edited_here, says_the_same=says_the_same) is verdict


def test_of_equal_files_the_labeled_image_finds_its_own_first():
    plain, labeled = Vanished(new_id(), "a.jpg", 0), Vanished(new_id(), "b.jpg", 3)
    assert pair_renames([plain, labeled], ["y.jpg", "x.jpg"]) == [(labeled, "x.jpg"), (plain, "y.jpg")]
    assert pair_renames([plain, labeled], ["x.jpg"]) == [(labeled, "x.jpg")]
