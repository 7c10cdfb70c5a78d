"""A cell belongs to a ring when its centre does."""

import numpy as np

from fourpoint_worker.segmenter.rasters import fill_rings

SQUARE = [(2.0, 1.0), (6.0, 1.0), (6.0, 4.0), (2.0, 4.0)]


def test_a_ring_along_pixel_sides_fills_exactly_those_pixels() -> None:
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:6] = True
    assert (fill_rings([SQUARE], 6, 8) == expected).all()


def test_a_ring_less_than_half_a_pixel_off_fills_the_same_pixels() -> None:
    moved = [(x + 0.4, y - 0.4) for x, y in SQUARE]
    assert (fill_rings([moved], 6, 8) == fill_rings([SQUARE], 6, 8)).all()


def test_a_ring_inside_another_is_a_hole() -> None:
    hole = [(3.0, 2.0), (5.0, 2.0), (5.0, 3.0), (3.0, 3.0)]
    assert fill_rings([SQUARE, hole], 6, 8).sum() == 12 - 2


def test_a_ring_that_leaves_the_grid_is_cut_at_it() -> None:
    assert fill_rings([[(-5.0, -5.0), (50.0, -5.0), (50.0, 50.0), (-5.0, 50.0)]], 6, 8).all()
