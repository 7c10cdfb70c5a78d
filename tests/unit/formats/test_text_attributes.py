"""Attributes as text: every tool sees them under their own names, and they come back as what they were."""

from typing import Any

import pytest

from fourpoint_worker.formats import text_attributes
from fourpoint_worker.formats.values import FormatError


@pytest.mark.parametrize(
    "attributes",
    [
        {"colour": "dark red", "count": 3, "sure": True, "nothing": None, "parts": [1, {"a": 2.5}]},
        {"": "x", " padded ": "y", "@fourpoint:z_order": "z", "empty": "", "spaces": " s "},
        {"digits": "3", "word": "true"},
    ],
)
def test_they_come_back_as_what_they_were(attributes: dict[str, Any]) -> None:
    found, own = text_attributes.from_pairs(text_attributes.to_pairs(attributes), 1)
    assert (found, own) == (attributes, {})


def test_numbers_and_flags_stand_under_their_own_names() -> None:
    pairs = dict(text_attributes.to_pairs({"count": 3, "sure": True, "colour": "red"}))
    assert (pairs["count"], pairs["sure"], pairs["colour"]) == ("3", "true", "red")


@pytest.mark.parametrize(
    "pairs",
    [
        [("@fourpoint:json", "{")],
        [("@fourpoint:json", '"count"')],
        [("@fourpoint:json", '["count"]'), ("count", "{3")],
        [("@fourpoint:json", "[" * 100_000)],
        [("@fourpoint:json", '["count"]'), ("count", "9" * 100_000)],
        [("@fourpoint:json", '["count"]'), ("count", "NaN")],
        [("@fourpoint:json", '["count"]'), ("count", '{"a": 1, "a": 2}')],
        [("@fourpoint:pair:0", "[1]")],
        [("@fourpoint:pair:0", "[1, 2]")],
    ],
)
def test_what_is_no_json_there_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(FormatError) as refused:
        text_attributes.from_pairs(pairs, 7)
    assert refused.value.line == 7
