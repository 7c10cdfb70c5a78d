"""Extreme points and boxes: how they are understood, and what is refused."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import (
    ExtremePoints,
    Prompt,
    prompt_from_json,
    prompt_to_json,
    validate_prompt,
)
from fourpoint_core.errors import InvalidInputError

TOP, BOTTOM, LEFT, RIGHT = (50.0, 10.0), (45.0, 90.0), (10.0, 55.0), (95.0, 40.0)
POINTS = ExtremePoints(TOP, BOTTOM, LEFT, RIGHT)


def refusal(prompt: Prompt, *, named: bool = True) -> tuple[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        validate_prompt(prompt, 100, 100, named=named)
    return caught.value.errors[0].pointer, caught.value.errors[0].code


@pytest.mark.parametrize("order", list(permutations((TOP, BOTTOM, LEFT, RIGHT))))
def test_four_points_in_any_order_get_the_same_roles(order: tuple[tuple[float, float], ...]) -> None:
    assert ExtremePoints.from_any_order(order) == POINTS


def test_the_box_is_what_the_points_span() -> None:
    assert POINTS.box == Box(10, 10, 95, 90)


def test_good_points_pass() -> None:
    validate_prompt(Prompt(points=POINTS), 100, 100, named=True)


def test_a_slightly_missed_extreme_is_no_contradiction() -> None:
    missed = ExtremePoints((50, 12), BOTTOM, (10, 11), RIGHT)
    validate_prompt(Prompt(points=missed), 100, 100, named=True)


def test_a_point_outside_the_image_is_named_by_role() -> None:
    bad = ExtremePoints(TOP, (45, 101), LEFT, RIGHT)
    assert refusal(Prompt(points=bad)) == ("/points/bottom", "outside_image")


def test_a_repeated_point_is_named() -> None:
    bad = ExtremePoints(TOP, BOTTOM, TOP, RIGHT)
    assert refusal(Prompt(points=bad)) == ("/points/left", "points_repeated")


def test_four_points_on_one_line_are_refused() -> None:
    bad = ExtremePoints((10, 10), (40, 40), (20, 20), (30, 30))
    assert refusal(Prompt(points=bad)) == ("/points", "points_collinear")


@pytest.mark.parametrize("side", [0.4, 0.9])
def test_an_object_of_less_than_a_pixel_is_no_line(side: float) -> None:
    points = ((10 + side / 2, 10), (10 + side / 2, 10 + side), (10, 10 + side / 2), (10 + side, 10 + side / 2))
    assert refusal(Prompt(points=ExtremePoints(*points))) == ("/points", "object_too_small")


def test_a_hair_of_less_than_a_pixel_is_no_line() -> None:
    assert refusal(Prompt(points=ExtremePoints((15, 10), (15, 10.8), (10, 10.4), (20, 10.4)))) == (
        "/points",
        "object_too_small",
    )


def test_swapped_roles_are_contradictory() -> None:
    bad = ExtremePoints(BOTTOM, TOP, LEFT, RIGHT)
    assert refusal(Prompt(points=bad)) == ("/points/top", "points_contradictory")


def test_points_without_roles_cannot_contradict() -> None:
    validate_prompt(Prompt(points=ExtremePoints(BOTTOM, TOP, LEFT, RIGHT)), 100, 100, named=False)


def test_an_empty_box_is_refused() -> None:
    assert refusal(Prompt(box_prompt=Box(10, 10, 10, 50))) == ("/box", "box_empty")


def test_a_correction_outside_the_image_is_named_by_index() -> None:
    bad = Prompt(points=POINTS, include=((5, 5), (5, -1)))
    assert refusal(bad) == ("/include/1", "outside_image")


coordinates = st.tuples(st.floats(0, 100), st.floats(0, 100))


@given(st.tuples(coordinates, coordinates, coordinates, coordinates))
def test_json_keeps_a_prompt(points: tuple[tuple[float, float], ...]) -> None:
    prompt = Prompt(points=ExtremePoints(*points), include=(points[0],))
    assert prompt_from_json(prompt_to_json(prompt)) == prompt
