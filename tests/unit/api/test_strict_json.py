"""JSON as the standard has it."""

import contextlib
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_api.web.problems import MAX_ERRORS, MalformedJsonError
from fourpoint_api.web.strict_json import escaped, loads
from fourpoint_core.errors import InvalidInputError

text = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(text, inner))


@given(documents)
def test_what_was_written_is_read(document: object) -> None:
    assert loads(json.dumps(document).encode()) == document


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(MalformedJsonError, InvalidInputError):
        loads(body)


def test_a_byte_order_mark_is_overlooked() -> None:
    assert loads(b"\xef\xbb\xbf{}") == {}


def test_the_place_of_a_string_that_is_none_is_found_however_deep() -> None:
    body = b'{"a":' * 200 + rb'["ok", "\u0000"]' + b"}" * 200
    with pytest.raises(InvalidInputError) as refused:
        loads(body)
    assert [error.pointer for error in refused.value.errors] == ["/a" * 200 + "/1"]


@pytest.mark.parametrize(
    ("name", "step"), [("a", "a"), ("a/b", "a~1b"), ("a~b", "a~0b"), ("~1", "~01"), (3, "3")]
)
def test_a_step_of_a_pointer_is_escaped(name: object, step: str) -> None:
    assert escaped(name) == step


@pytest.mark.timeout(60)
def test_a_name_given_twice_is_found_among_very_many() -> None:
    # Looked for by comparing each with each, this takes most of an hour.
    names = [*(f"name {number}" for number in range(300_000)), "last", "last"]
    body = "{" + ",".join(f'"{name}":0' for name in names) + "}"
    with pytest.raises(MalformedJsonError, match="'last' twice"):
        loads(body.encode())


def test_a_long_name_is_not_repeated_for_each_value_below_it() -> None:
    body = b'{"' + b"a" * 100_000 + rb'": ["\u0000"' + b",0" * 1000 + b"]}"
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError) as refused:
            loads(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(body)
    assert [error.pointer for error in refused.value.errors] == [""]


def test_of_many_strings_that_are_none_some_are_told_and_the_rest_are_counted() -> None:
    with pytest.raises(InvalidInputError, match="3 more") as refused:
        loads(b"[" + b",".join([rb'"\u0000"'] * (MAX_ERRORS + 3)) + b"]")
    assert [error.pointer for error in refused.value.errors] == [f"/{index}" for index in range(MAX_ERRORS)]
