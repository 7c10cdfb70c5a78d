"""Contours: what is valid, and where an invalid one is said to be wrong."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.domain.geometry import (
    Box,
    Contour,
    Part,
    contour_from_json,
    contour_to_json,
    distance_to_contour,
    signed_area,
    validate_contour,
)
from fourpoint_core.errors import InvalidInputError

SQUARE = ((10.0, 10.0), (40.0, 10.0), (40.0, 40.0), (10.0, 40.0))
HOLE = ((20.0, 20.0), (30.0, 20.0), (30.0, 30.0), (20.0, 30.0))


def contour(*parts: Part) -> Contour:
    return Contour(parts)


def refusal(bad: Contour) -> tuple[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        validate_contour(bad, 100, 50)
    return caught.value.errors[0].pointer, caught.value.errors[0].code


def test_a_square_is_valid() -> None:
    validate_contour(contour(Part(SQUARE)), 100, 50)


def test_a_square_with_a_hole_is_valid() -> None:
    validate_contour(contour(Part(SQUARE, (HOLE,))), 100, 50)


def test_vertices_on_the_border_of_the_image_are_inside() -> None:
    validate_contour(contour(Part(((0, 0), (100, 0), (100, 50), (0, 50)))), 100, 50)


def test_clockwise_on_screen_is_positive() -> None:
    assert signed_area(SQUARE) == 900


def test_holes_are_taken_off_the_area() -> None:
    assert contour(Part(SQUARE, (HOLE,))).area == 800


def test_the_bounding_box_spans_all_parts() -> None:
    far = ((60.0, 5.0), (70.0, 5.0), (70.0, 9.0))
    assert contour(Part(SQUARE), Part(far)).bounding_box == Box(10, 5, 70, 40)


def test_a_vertex_outside_the_image_is_named() -> None:
    assert refusal(contour(Part(((1, 1), (101, 1), (1, 9))))) == ("/parts/0/outer/1", "outside_image")


def test_nan_is_outside_every_image() -> None:
    assert refusal(contour(Part(((1, 1), (float("nan"), 1), (1, 9)))))[1] == "outside_image"


def test_a_ring_of_two_vertices_is_too_short() -> None:
    assert refusal(contour(Part(((1, 1), (9, 9))))) == ("/parts/0/outer", "ring_too_short")


def test_a_bow_tie_is_refused_at_a_vertex() -> None:
    pointer, code = refusal(contour(Part(((1, 1), (9, 9), (9, 1), (1, 9)))))
    assert code == "ring_crosses_itself"
    assert pointer.startswith("/parts/0/outer/")


def test_a_flat_ring_has_no_area() -> None:
    assert refusal(contour(Part(((1, 1), (5, 1), (9, 1))))) == ("/parts/0/outer", "no_area")


def test_a_hole_that_leaves_its_ring_is_named() -> None:
    outside = tuple((x + 15, y) for x, y in HOLE)
    assert refusal(contour(Part(SQUARE, (outside,)))) == ("/parts/0/holes/0", "hole_outside_ring")


def test_overlapping_holes_are_refused() -> None:
    shifted = tuple((x + 3, y + 3) for x, y in HOLE)
    assert refusal(contour(Part(SQUARE, (HOLE, shifted)))) == ("/parts/0/holes/1", "holes_overlap")


def test_overlapping_parts_are_refused() -> None:
    shifted = tuple((x + 3, y) for x, y in SQUARE)
    assert refusal(contour(Part(SQUARE), Part(shifted))) == ("/parts/1", "parts_overlap")


def test_a_part_inside_a_hole_of_another_is_valid() -> None:
    island = ((22.0, 22.0), (28.0, 22.0), (28.0, 28.0), (22.0, 28.0))
    validate_contour(contour(Part(SQUARE, (HOLE,)), Part(island)), 100, 50)


def test_no_parts_is_refused() -> None:
    assert refusal(contour()) == ("/parts", "parts_count")


def test_a_repeated_first_vertex_is_opened() -> None:
    read = contour_from_json({"parts": [{"outer": [*SQUARE, SQUARE[0]]}]})
    assert read.parts[0].outer == SQUARE


def test_the_distance_counts_holes_too() -> None:
    assert distance_to_contour((25, 25), contour(Part(SQUARE, (HOLE,)))) == 5


coordinates = st.floats(0, 50, allow_nan=False)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8))
def test_any_ring_is_either_valid_or_refused_with_a_pointer(ring: list[tuple[float, float]]) -> None:
    drawn = contour(Part(tuple(ring)))
    try:
        validate_contour(drawn, 50, 50)
    except InvalidInputError as error:
        assert all(item.pointer.startswith("/parts/0/outer") for item in error.errors)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8, unique=True))
def test_json_keeps_a_contour(ring: list[tuple[float, float]]) -> None:
    drawn = contour(Part(tuple(ring), (HOLE,)))
    assert contour_from_json(contour_to_json(drawn)) == drawn


def comb(teeth: int) -> tuple[tuple[float, float], ...]:
    """A ring of `4 * teeth + 2` vertices, its teeth upright, in an image of 100 x 100."""
    ring: list[tuple[float, float]] = []
    for tooth in range(teeth):
        left, right = (1 + 98 * (2 * tooth + side) / (2 * teeth) for side in (0, 1))
        ring += [(left, 2), (left, 99), (right, 99), (right, 2)]
    return (*ring, (right, 1), (1, 1))


def turned(ring: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    return tuple((y, x) for x, y in ring)


@pytest.mark.timeout(60)
def test_combs_across_each_other_are_refused_before_their_area_takes_all_memory() -> None:
    with pytest.raises(InvalidInputError, match="Part 1 overlaps part 0"):
        validate_contour(contour(Part(comb(2000)), Part(turned(comb(2000)))), 100, 100)


@pytest.mark.timeout(60)
def test_hundreds_of_parts_over_each_other_are_refused_without_looking_at_every_pair() -> None:
    star = tuple(
        (50 + r * math.cos(k * math.pi / 38), 50 + r * math.sin(k * math.pi / 38))
        for k, r in enumerate([49, 1] * 38)
    )
    with pytest.raises(InvalidInputError) as caught:
        validate_contour(contour(*[Part(star)] * 256), 100, 100)
    assert [error.pointer for error in caught.value.errors] == [f"/parts/{index}" for index in range(1, 256)]


def test_parts_that_share_a_border_but_for_rounding_do_not_overlap() -> None:
    border = [(50.0 + (index % 7) / 3, 5.0 + index / 20) for index in range(1500)]
    rounded = [(x + 1e-9 * (-1) ** index, y) for index, (x, y) in enumerate(border)]
    left = Part((*border, (1.0, 80.0), (1.0, 5.0)))
    right = Part((*rounded, (99.0, 80.0), (99.0, 5.0)))
    validate_contour(contour(left, right), 100, 100)
