"""Outlines in requests: what passes quickly is what the schemas make of it, and they see the rest."""

from typing import Any

import marshmallow as ma
import pytest

from fourpoint_api.web.schemas import Contour, ContourSchema

RING = [[0, 0], [9.5, 0], [5, 7]]


def outcome(field: ma.fields.Field[Any], value: Any) -> Any:
    """What a field makes of a value, or what it has against it."""
    try:
        return field.deserialize(value)
    except ma.ValidationError as error:
        return error.messages


@pytest.mark.parametrize(
    "value",
    [
        {"parts": [{"outer": RING}]},
        {"parts": [{"outer": RING, "holes": [RING, RING]}, {"outer": RING, "holes": []}]},
        {"parts": []},
        {"parts": [{"outer": RING}] * 257},
        {"parts": [{"outer": RING[:2]}]},
        {"parts": [{"outer": RING, "holes": [RING[:2]]}]},
        {"parts": [{"outer": RING, "holes": None}]},
        {"parts": [{"outer": [*RING, [float("nan"), 1]]}]},
        {"parts": [{"outer": [*RING, [True, 1]]}]},
        {"parts": [{"outer": [*RING, [10**400, 1]]}]},
        {"parts": [{"outer": [*RING, [1]]}]},
        {"parts": [{"outer": RING, "inner": []}]},
        {"parts": [{"holes": []}]},
        {"parts": [RING]},
        {"parts": {"outer": RING}},
        {"parts": [{"outer": RING}], "more": 1},
        {},
        [],
        None,
    ],
)
def test_an_outline_is_read_as_its_schemas_read_it(value: Any) -> None:
    assert outcome(Contour(), value) == outcome(ma.fields.Nested(ContourSchema), value)
