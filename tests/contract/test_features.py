"""docs/features.md names every feature, and nothing that does not exist."""

import re
from functools import cache
from pathlib import Path

import pytest

from fourpoint_api.app import contract

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "features.md").read_text()
NOT_YET = "not yet served"
_ROW = re.compile(r"^\| (S?\d+) \| ([^|]+) \| ([^|]+) \|([^|]*)\|$", re.M)
ROWS = {name: (served, proof) for name, _, served, proof in _ROW.findall(PAGE)}
_PATHS = contract()["paths"]
_ROUTES = {f"{method.upper()} {path}" for path, item in _PATHS.items() for method in item}


@cache
def source(path: str) -> str:
    return (ROOT / "tests" / path).read_text()


def test_every_feature_and_every_complaint_has_one_row() -> None:
    expected = [f"S{number}" for number in range(1, 46)] + [str(number) for number in range(1, 26)]
    assert [name for name, *_ in _ROW.findall(PAGE)] == expected


@pytest.mark.parametrize("row", ROWS)
def test_what_is_served_is_proved_and_what_is_not_is_said(row: str) -> None:
    served, proof = ROWS[row]
    assert "::test_" in proof or served.strip() == NOT_YET


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_row_exist(row: str) -> None:
    for path, name in re.findall(r"`([^`]+)::(\w+)`", ROWS[row][1]):
        assert re.search(rf"^(async )?def {name}\(", source(path), re.M), f"{path}::{name}"


@pytest.mark.parametrize("row", ROWS)
def test_the_routes_of_a_row_are_in_the_contract(row: str) -> None:
    named = re.findall(r"`((?:GET|PUT|POST|PATCH|DELETE) [^`]+)`", ROWS[row][0])
    assert [route for route in named if route.replace(" ", " /v1", 1) not in _ROUTES] == []


@pytest.mark.parametrize("row", [name for name in ROWS if name.startswith("S")])
def test_a_row_names_a_route_a_parameter_or_what_the_page_does_itself(row: str) -> None:
    served = ROWS[row][0]
    assert "`" in served or NOT_YET in served


def test_the_tests_that_are_named_outside_of_rows_exist_too() -> None:
    for path, name in re.findall(r"`([^`]+)::(\w+)`", PAGE):
        assert re.search(rf"^(async )?def {name}\(", source(path), re.M), f"{path}::{name}"
