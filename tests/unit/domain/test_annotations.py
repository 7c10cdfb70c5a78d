"""What attributes and documents may hold."""

from typing import Any

import pytest

from fourpoint_core.domain.annotations import (
    MAX_ANNOTATIONS,
    MAX_DOCUMENT_VERTICES,
    check_attributes,
    check_document_size,
)
from fourpoint_core.errors import InvalidInputError


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth - 1):
        value = [value]
    return {"a": value}


def test_plain_attributes_pass() -> None:
    check_attributes({"a": 1, "b": [True, None, "x", 1.5], "c": {"d": {}}})


def test_attributes_as_deep_as_allowed_pass() -> None:
    check_attributes(nested(8))


@pytest.mark.parametrize(
    "attributes",
    [
        nested(9),
        nested(5000),
        {"a": float("inf")},
        {"a": [{"b": float("nan")}]},
        {"a": "é" * 5000},
        {"x" * 9000: 1},
    ],
)
def test_attributes_that_no_row_should_carry_are_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_attributes(attributes, "/annotations/3/attributes")
    assert caught.value.errors[0].pointer == "/annotations/3/attributes"


def test_a_document_may_be_full() -> None:
    check_document_size(MAX_ANNOTATIONS, MAX_DOCUMENT_VERTICES)


@pytest.mark.parametrize("size", [(MAX_ANNOTATIONS + 1, 9), (2, MAX_DOCUMENT_VERTICES + 1)])
def test_a_document_is_bounded(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInputError, match="at most"):
        check_document_size(*size)
