"""Which regions make the contour, how few vertices it needs, and that it is always valid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon
from tests.unit.segmenter.scenes import Mask, clicks_on, disc, overlap_with, soft

from fourpoint_core.domain.geometry import Box, Contour, validate_contour
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_core.errors import NoOutlineError
from fourpoint_worker.segmenter.contours import LEAST_IOU, contour_from, pin_click
from fourpoint_worker.segmenter.simplification import FINEST_TOLERANCE, overlap, simplify_within

WIDTH, HEIGHT = 120, 100


def outlined(mask: Mask, prompt: Prompt | None = None) -> Contour:
    return contour_from(soft(mask), prompt or clicks_on(mask), mask.shape[1], mask.shape[0])


def test_a_disc_keeps_nearly_all_of_its_area_in_few_vertices() -> None:
    mask = disc(HEIGHT, WIDTH, (60, 50), 40)
    contour = outlined(mask)
    assert overlap_with(contour, mask) > 0.985
    assert contour.vertex_count < 60


def test_every_click_on_the_outline_becomes_a_vertex() -> None:
    mask = disc(HEIGHT, WIDTH, (60, 50), 40)
    prompt = clicks_on(mask)
    assert prompt.points is not None
    assert set(prompt.points.as_tuple()) <= set(outlined(mask, prompt).parts[0].outer)


def test_a_click_far_from_the_outline_is_evidence_and_no_vertex() -> None:
    square = Polygon([(0, 0), (40, 0), (40, 40), (0, 40)])
    assert pin_click(square, (20.0, 2.0)).equals(square)


def test_a_click_between_two_vertices_is_inserted_between_them() -> None:
    square = Polygon([(0, 0), (40, 0), (40, 40), (0, 40)])
    assert list(pin_click(square, (20.0, -1.0)).exterior.coords)[1] == (20.0, -1.0)


def test_a_click_beside_a_vertex_moves_it() -> None:
    square = Polygon([(0, 0), (40, 0), (40, 40), (0, 40)])
    moved = pin_click(square, (40.5, 0.5))
    assert len(moved.exterior.coords) == 5
    assert (40.5, 0.5) in moved.exterior.coords


def test_a_large_hole_is_kept() -> None:
    ring = disc(HEIGHT, WIDTH, (60, 50), 40) & ~disc(HEIGHT, WIDTH, (60, 50), 20)
    [part] = outlined(ring).parts
    assert len(part.holes) == 1


def test_a_pinprick_is_filled() -> None:
    mask = disc(HEIGHT, WIDTH, (60, 50), 40) & ~disc(HEIGHT, WIDTH, (60, 50), 3)
    assert outlined(mask).parts[0].holes == ()


def test_a_pinprick_with_a_point_to_exclude_stays() -> None:
    mask = disc(HEIGHT, WIDTH, (60, 50), 40) & ~disc(HEIGHT, WIDTH, (60, 50), 3)
    prompt = Prompt(points=clicks_on(mask).points, exclude=((60.0, 50.0),))
    assert len(outlined(mask, prompt).parts[0].holes) == 1


def test_two_halves_of_an_occluded_object_are_two_parts() -> None:
    mask = disc(HEIGHT, WIDTH, (60, 50), 40)
    mask[:, 55:65] = False
    assert len(outlined(mask).parts) == 2


def test_a_crumb_that_no_click_touches_is_dropped() -> None:
    mask = disc(HEIGHT, WIDTH, (60, 50), 40)
    prompt = clicks_on(mask)
    mask |= disc(HEIGHT, WIDTH, (25, 15), 3)
    assert len(outlined(mask, prompt).parts) == 1


def test_a_crumb_under_a_click_is_kept() -> None:
    mask = disc(HEIGHT, WIDTH, (60, 60), 30) | disc(HEIGHT, WIDTH, (60, 12), 4)
    assert len(outlined(mask).parts) == 2


def test_the_outline_stays_within_the_clicked_box_and_its_slack() -> None:
    prompt = Prompt(box_prompt=Box(30, 30, 70, 60))
    box = contour_from(soft(np.ones((HEIGHT, WIDTH))), prompt, WIDTH, HEIGHT).bounding_box
    assert box.as_list() == [27, 27, 73, 63]


def test_a_point_to_include_outside_the_box_widens_it_by_a_quarter_of_the_object_around_itself() -> None:
    prompt = Prompt(box_prompt=Box(30, 30, 70, 60), include=((90.0, 40.0),))
    box = contour_from(soft(np.ones((HEIGHT, WIDTH))), prompt, WIDTH, HEIGHT).bounding_box
    assert box.as_list() == [27, 27, 100, 63]


def test_a_point_to_include_inside_the_box_does_not() -> None:
    prompt = Prompt(box_prompt=Box(30, 30, 70, 60), include=((69.0, 40.0),))
    box = contour_from(soft(np.ones((HEIGHT, WIDTH))), prompt, WIDTH, HEIGHT).bounding_box
    assert box.as_list() == [27, 27, 73, 63]


def test_an_object_that_fills_the_image_ends_at_its_border() -> None:
    prompt = Prompt(box_prompt=Box(0, 0, WIDTH, HEIGHT))
    contour = contour_from(soft(np.ones((HEIGHT, WIDTH))), prompt, WIDTH, HEIGHT)
    assert contour.bounding_box.as_list() == [0, 0, WIDTH, HEIGHT]


def test_nothing_above_one_half_is_no_outline() -> None:
    with pytest.raises(NoOutlineError):
        contour_from(soft(np.full((HEIGHT, WIDTH), 0.4)), Prompt(box_prompt=Box(30, 30, 70, 60)), WIDTH, HEIGHT)


@pytest.mark.parametrize("least", [0.9, 0.98, 0.995])
def test_simplification_spends_no_more_than_its_budget(least: float) -> None:
    ragged = Point(500, 500).buffer(400, quad_segs=64).union(Point(900, 500).buffer(90, quad_segs=64))
    assert overlap(ragged, simplify_within(ragged, least)) >= least


def test_an_object_of_a_few_pixels_is_simplified_below_what_can_be_seen() -> None:
    circle = Point(5, 5).buffer(3, quad_segs=64)
    simpler = simplify_within(circle, LEAST_IOU)
    assert len(simpler.exterior.coords) < 20
    assert simpler.hausdorff_distance(circle) <= FINEST_TOLERANCE


def test_a_larger_budget_needs_fewer_vertices() -> None:
    circle = Point(50, 50).buffer(40, quad_segs=64)
    counts = [len(simplify_within(circle, least).exterior.coords) for least in (0.9, 0.98, LEAST_IOU)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), blur=st.integers(0, 4), scale=st.sampled_from([0.25, 1.0, 3.7]))
def test_any_soft_mask_makes_a_valid_contour_or_none(seed: int, blur: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    probability = random.random((24, 31))
    for _ in range(blur):
        probability = (probability + np.roll(probability, 1, 0) + np.roll(probability, 1, 1)) / 3
    probability = np.round((probability - probability.mean()) / (probability.std() + 1e-9) / 4 + 0.5, 2)
    width, height = max(1, int(31 * scale)), max(1, int(24 * scale))
    xs, ys = np.sort(random.random((2, 4))) * [[width], [height]]
    points = ExtremePoints((xs[1], ys[0]), (xs[2], ys[3]), (xs[0], ys[1]), (xs[3], ys[2]))
    try:
        contour = contour_from(soft(np.clip(probability, 0, 1), scale), Prompt(points=points), width, height)
    except NoOutlineError:
        return
    validate_contour(contour, width, height)
