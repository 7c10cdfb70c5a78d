import io

import pytest
from PIL import Image

from fourpoint_standalone.overlay import SCALE, draw_overlay

SQUARE = [[10.0, 10.0], [50.0, 10.0], [50.0, 50.0], [10.0, 50.0]]
HOLE = [[15.0, 15.0], [25.0, 15.0], [25.0, 25.0], [15.0, 25.0]]


@pytest.fixture
def overlay(tmp_path):
    """A grey image with a red square that has a hole, as it was drawn."""
    grey = io.BytesIO()
    Image.new("RGB", (60, 60), (100, 100, 100)).save(grey, "PNG")
    annotation = {
        "contour": {"parts": [{"outer": SQUARE, "holes": [HOLE]}]},
        "bbox": [10.0, 10.0, 50.0, 50.0],
        "label": {"name": "a", "colour": "#ff0000"},
        "prompt": {"points": {"top": [30, 10], "bottom": [30, 50], "left": [10, 45], "right": [50, 45]}},
    }
    draw_overlay(grey.getvalue(), [annotation], tmp_path / "overlay.png")
    return Image.open(tmp_path / "overlay.png")


def at(image, x, y):
    return image.getpixel((x * SCALE, y * SCALE))


def test_the_inside_is_tinted(overlay):
    red, green, _ = at(overlay, 40, 45)
    assert red > 120 > green


def test_the_outline_has_the_colour_of_the_label(overlay):
    assert at(overlay, 45, 10) == (255, 0, 0)


def test_a_hole_stays_as_it_was(overlay):
    assert at(overlay, 20, 20) == (100, 100, 100)


def test_the_outside_stays_as_it_was(overlay):
    assert at(overlay, 5, 5) == (100, 100, 100)


def test_a_click_is_a_white_dot(overlay):
    assert at(overlay, 10, 45) == (255, 255, 255)
