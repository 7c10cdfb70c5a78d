"""Errors as values."""

import pytest

from fourpoint_core.errors import FieldError, FourpointError, InvalidInputError


def kinds(parent: type[FourpointError]) -> list[type[FourpointError]]:
    return [kind for child in parent.__subclasses__() for kind in [child, *kinds(child)]]


@pytest.mark.parametrize("kind", kinds(FourpointError))
def test_an_error_has_a_title_for_people(kind: type[FourpointError]) -> None:
    assert kind.title[0].isupper()
    assert not kind.title.endswith(".")


def test_the_error_of_one_field_points_at_it() -> None:
    error = InvalidInputError.at("/name", "length", "Too long.")
    assert (error.detail, error.errors) == ("Too long.", (FieldError("/name", "length", "Too long."),))


def test_an_error_is_seen_from_the_document_around_it() -> None:
    assert FieldError("/parts/0", "no_area", "Flat.").below("/contour").pointer == "/contour/parts/0"
