"""What Segment Anything is asked: the tight box in its own frame, and a square of its own for what is small."""

import numpy as np
import pytest

from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_worker.segmenter.port import Decoded
from fourpoint_worker.segmenter.sam.frames import Frame, frame_of
from fourpoint_worker.segmenter.sam.prompts import canvas_prompt, logits_of, pixel_box, wanted_of

WHOLE = Frame((0, 0, 512, 256), 256)


def test_clicks_in_the_middles_of_pixels_are_those_pixels() -> None:
    """The object covers the pixels 10 to 19 in x, and 20 to 39 in y; so do the indices of its box."""
    clicks = ExtremePoints(top=(15.5, 20.5), bottom=(15.5, 39.5), left=(10.5, 30.5), right=(19.5, 30.5))
    frame = Frame((0, 0, 256, 256), 256)
    assert canvas_prompt(Prompt(points=clicks), frame, 64).box == (10, 20, 19, 39)


def test_a_box_along_the_outer_sides_of_pixels_is_the_same_pixels() -> None:
    frame = Frame((0, 0, 256, 256), 256)
    assert canvas_prompt(Prompt(box_prompt=Box(10, 20, 20, 40)), frame, 64).box == (10, 20, 19, 39)


def test_a_box_thinner_than_a_pixel_does_not_turn_round() -> None:
    box = pixel_box(Prompt(box_prompt=Box(10, 20, 10.4, 40)))
    assert box.x0 == box.x1 == pytest.approx(10.2)


def test_indices_are_scaled_as_the_official_predictor_scales_them() -> None:
    prompt = Prompt(box_prompt=Box(10, 20, 100, 120), include=((50.5, 60.5),), exclude=((80.5, 90.5),))
    asked = canvas_prompt(prompt, WHOLE, 64)
    assert asked.box == (5, 10, 49.5, 59.5)
    assert asked.points == ((25, 30), (40, 45))
    assert asked.labels == (True, False)


def test_the_clicks_themselves_are_no_points() -> None:
    """Positive points on the border make the network's answer worse."""
    clicks = ExtremePoints((50, 10), (50, 70), (20, 40), (80, 40))
    assert canvas_prompt(Prompt(points=clicks), WHOLE, 64).points == ()


def test_an_earlier_outline_becomes_the_logits_of_its_inside() -> None:
    square = Contour((Part(((128.0, 64.0), (256.0, 64.0), (256.0, 192.0), (128.0, 192.0))),))
    logits = logits_of(square, WHOLE, 64)
    assert logits.shape == (64, 64)
    # Four canvas pixels a cell, two image pixels a canvas pixel.
    assert np.array_equal(np.argwhere(logits > 0).min(axis=0), [8, 16])
    assert np.array_equal(np.argwhere(logits > 0).max(axis=0), [23, 31])
    assert np.abs(logits).max() <= 10


def test_a_large_object_is_looked_at_with_the_whole_image() -> None:
    assert frame_of(Box(0, 0, 500, 500), 4000, 3000, 1024, zoom=True).whole


def test_a_small_object_gets_a_square_of_its_own_that_it_fills() -> None:
    frame = frame_of(Box(2000, 1000, 2200, 1150), 4000, 3000, 1024, zoom=True)
    x0, y0, x1, y1 = frame.window
    assert not frame.whole
    assert x0 < 2000 and x1 > 2200 and y0 < 1000 and y1 > 1150
    assert 0.4 < 200 / (x1 - x0) < 0.7


@pytest.mark.parametrize("far", [(2120.0, 1025.0), (1800.0, 1025.0), (2030.0, 1300.0)])
def test_a_square_of_its_own_holds_the_points_on_the_object(far: tuple[float, float]) -> None:
    """Somebody says that the object goes on beyond the box."""
    prompt = Prompt(box_prompt=Box(2000, 1000, 2060, 1050), include=(far,))
    frame = frame_of(wanted_of(prompt), 4000, 3000, 1024, zoom=True)
    assert not frame.whole and frame.holds(far)
    [(x, y)] = canvas_prompt(prompt, frame, 256).points
    assert 0 <= x <= 1024 and 0 <= y <= 1024


def test_a_point_off_the_object_and_off_its_square_is_not_asked() -> None:
    near, far = (2070.0, 1025.0), (2900.0, 1025.0)
    prompt = Prompt(box_prompt=Box(2000, 1000, 2060, 1050), include=((2030.0, 1025.0),), exclude=(far, near))
    frame = frame_of(wanted_of(prompt), 4000, 3000, 1024, zoom=True)
    asked = canvas_prompt(prompt, frame, 256)
    assert asked.points == (frame.to_canvas((2030.0, 1025.0)), frame.to_canvas(near))
    assert asked.labels == (True, False)


def test_without_zoom_there_is_only_the_whole_image() -> None:
    assert frame_of(Box(2000, 1000, 2020, 1015), 4000, 3000, 1024, zoom=False).whole


def test_two_hands_that_click_one_object_get_the_same_square() -> None:
    """Or the second click would need an embedding of its own."""
    first = frame_of(Box(2000, 1000, 2200, 1150), 4000, 3000, 1024, zoom=True)
    assert first == frame_of(Box(2002, 999, 2201, 1152), 4000, 3000, 1024, zoom=True)


@pytest.mark.parametrize("corner", [(0, 0), (3960, 0), (0, 2960), (3960, 2960)])
def test_a_square_never_leaves_the_image(corner: tuple[int, int]) -> None:
    x, y = corner
    frame = frame_of(Box(x, y, x + 40, y + 40), 4000, 3000, 1024, zoom=True)
    x0, y0, x1, y1 = frame.window
    assert 0 <= x0 <= x and x + 40 <= x1 <= 4000
    assert 0 <= y0 <= y and y + 40 <= y1 <= 3000


def test_what_the_network_is_shown_is_the_window_alone() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:164, 200:264] = 255
    shown = Frame((200, 100, 264, 164), 256, whole=False).look(Decoded(image))
    assert shown.shape == (256, 256, 3)
    assert shown.min() == 255


def test_the_whole_image_is_shown_with_its_longer_side_filled() -> None:
    assert Frame((0, 0, 400, 300), 256).look(Decoded(np.zeros((300, 400, 3), np.uint8))).shape == (192, 256, 3)
