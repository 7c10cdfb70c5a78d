"""JSON as answers are written."""

import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_api.web.plain_json import PlainJson, encode

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(values)
def test_what_json_can_say_is_read_again_as_it_was(value: Any) -> None:
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (datetime(2026, 1, 2, 3, 4, 5, 600, UTC), '"2026-01-02T03:04:05.000600+00:00"'),
    ],
)
@pytest.mark.parametrize("more", [[], [2**70], ["\ud800"]])
def test_ids_and_times_are_written_alike_whoever_writes_them(value: Any, text: str, more: list[Any]) -> None:
    assert encode([value, *more]).startswith(f"[{text}".encode())


def test_an_integer_of_any_size_is_written() -> None:
    assert encode({"n": 2**70}) == b'{"n":1180591620717411303424}'


def test_half_of_a_surrogate_pair_is_escaped() -> None:
    assert encode("\ud800") == b'"\\ud800"'


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(TypeError):
        encode({"n": object()})


def test_flask_writes_it_too() -> None:
    app = Flask("test")
    app.json = PlainJson(app)
    app.add_url_rule("/", view_func=lambda: {"id": UUID(int=7), "b": 1, "a": 2**70})
    answer = app.test_client().get("/")
    assert answer.mimetype == "application/json"
    assert answer.text == '{"id":"00000000-0000-0000-0000-000000000007","b":1,"a":1180591620717411303424}'
