"""JSON of strangers: what it says, or one error."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.foreign_json import NameTwiceError, NotJsonError, loads

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text()
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(documents)
def test_what_was_written_is_read(document: object) -> None:
    assert loads(json.dumps(document)) == loads(json.dumps(document).encode()) == document


@given(st.binary() | st.text())
def test_anything_is_read_or_refused(text: bytes | str) -> None:
    with contextlib.suppress(NotJsonError):
        loads(text)


@pytest.mark.parametrize(
    "text",
    ["", "[" * 100_000, '{"a":' * 50_000, "9" * 100_000, "NaN", "-Infinity", b"\xff", "[1] x"],
    ids=lambda text: str(text[:10]),
)
def test_what_is_no_json_is_one_error_of_few_words(text: bytes | str) -> None:
    with pytest.raises(NotJsonError) as refused:
        loads(text)
    assert len(str(refused.value)) < 100


def test_a_name_given_twice_is_told_and_shortened() -> None:
    name = json.dumps("a" * 1000)
    with pytest.raises(NameTwiceError) as refused:
        loads(f"[{{{name}: 1, {name}: 2}}]")
    assert str(refused.value).startswith("'aaa")
    assert len(str(refused.value)) < 100
