"""JSON as the standard has it."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_api.web.problems import MalformedJsonError
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
