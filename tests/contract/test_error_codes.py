"""Every public error code has a status and a place in the documentation."""

import re
from pathlib import Path

import pytest

from fourpoint_api.web.problems import STATUS
from fourpoint_core import errors

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
_ROW = re.compile(r"^\| `(?P<code>\w+)` \| (?P<status>\d{3}) \| (?P<when>[^|]+) \| (?P<remedy>[^|]+) \|$", re.M)


def kinds(parent: type[errors.FourpointError]) -> set[type[errors.FourpointError]]:
    return {kind for child in parent.__subclasses__() for kind in {child, *kinds(child)}}


KINDS = {kind.code: kind for kind in kinds(errors.FourpointError)}
DOCUMENTED = {row["code"]: int(row["status"]) for row in _ROW.finditer(DOCS.read_text())}


def test_no_two_errors_share_a_code() -> None:
    assert len(KINDS) == len(kinds(errors.FourpointError))


@pytest.mark.parametrize("code", sorted(KINDS))
def test_a_code_has_a_status(code: str) -> None:
    assert KINDS[code] in STATUS


@pytest.mark.parametrize("code", sorted(KINDS))
def test_a_code_is_documented_with_its_status(code: str) -> None:
    assert DOCUMENTED.get(code) == STATUS[KINDS[code]]


def test_nothing_is_documented_that_does_not_exist() -> None:
    assert DOCUMENTED.keys() <= KINDS.keys()


@pytest.mark.parametrize("code", sorted(KINDS))
def test_a_code_is_a_name_that_clients_can_branch_on(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)


def field_codes() -> set[str]:
    """Codes of single fields, as the sources spell them: the second argument of FieldError and `at`."""
    services = Path(__file__).parents[2] / "services"
    pattern = re.compile(r"(?:FieldError|InvalidInputError\.at)\(\s*[^,]+?,\s*\"(\w+)\"")
    found = {code for path in services.rglob("*.py") for code in pattern.findall(path.read_text())}
    return found | {"invalid", "unknown_field", "required", "null"}


FIELD_SECTION = DOCS.read_text().partition("## Field codes")[2]


@pytest.mark.parametrize("code", sorted(field_codes()))
def test_the_code_of_a_field_is_documented(code: str) -> None:
    assert f"| `{code}` |" in FIELD_SECTION
