"""Which keys are keys."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.errors import InvalidInputError
from fourpoint_core.storage.port import ExactReader, validate_key, validate_prefix


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "a/b/c.jpg",
        ".hidden",
        "..a",
        "a..",
        "...",
        "a b",
        "ü/🦊",
        "a\\b",
        "C:/a",
        "~",
        "%2e%2e/a",
        "x" * 1024,
    ],
)
def test_a_key_of_ordinary_characters_is_one(key):
    assert validate_key(key) == key


@pytest.mark.parametrize("key", ["/a", "a/", "a//b", "/", ".", "..", "a/..", "../a", "a/./b", "./a"])
def test_a_key_with_an_empty_or_dotted_segment_is_none(key):
    with pytest.raises(InvalidInputError, match="segment"):
        validate_key(key)


def test_an_empty_key_is_none():
    with pytest.raises(InvalidInputError, match="empty"):
        validate_key("")


@pytest.mark.parametrize("character", ["\x00", "\n", "\r", "\t", "\x1f", "\x7f", "\x85"])
def test_a_key_with_a_control_character_is_none(character):
    with pytest.raises(InvalidInputError, match="control character"):
        validate_key(f"a{character}b")


def test_the_length_of_a_key_counts_bytes():
    validate_key("ü" * 512)
    with pytest.raises(InvalidInputError, match="1025"):
        validate_key("ü" * 512 + "x")


def test_half_a_surrogate_pair_is_no_text():
    with pytest.raises(InvalidInputError, match="surrogate"):
        validate_key("a\ud800")


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", ".", "..", "a/.", "a/.."])
def test_what_a_key_may_begin_with_is_a_prefix(prefix):
    assert validate_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "//", "a//", "../", "./a", "a/../", "a\x00", "x" * 1025])
def test_what_no_key_begins_with_is_no_prefix(prefix):
    with pytest.raises(InvalidInputError):
        validate_prefix(prefix)


@given(st.text(max_size=40))
def test_every_beginning_of_a_key_is_a_prefix(text):
    try:
        validate_key(text)
    except InvalidInputError:
        return
    for end in range(len(text) + 1):
        validate_prefix(text[:end])


class Dripping(io.BytesIO):
    """A stream that returns less than it was asked for, as sockets do."""

    def read(self, amount: int = -1) -> bytes:
        return super().read(min(amount, 3))


def test_a_dripping_stream_is_read_in_full_chunks():
    reader = ExactReader(Dripping(b"0123456789"), None)
    assert [reader.read(4), reader.read(4), reader.read(4), reader.read(4)] == [b"0123", b"4567", b"89", b""]
    assert reader.count == 10


def test_a_stream_is_not_read_beyond_its_promised_size():
    source = Dripping(b"0123456789")
    reader = ExactReader(source, 5)
    assert [reader.read(4), reader.read(4), reader.read(4)] == [b"0123", b"4", b""]
    assert source.tell() == 5


def test_a_stream_that_ends_before_its_size_is_refused():
    reader = ExactReader(Dripping(b"0123"), 5)
    with pytest.raises(InvalidInputError, match="4 of 5"):
        reader.read(10)
