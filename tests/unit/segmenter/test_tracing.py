"""The half-probability line lies where pixels end, not where their centres are."""

import numpy as np
import pytest
from shapely.geometry import box
from tests.unit.segmenter.scenes import disc, soft

from fourpoint_worker.segmenter.port import SoftMask
from fourpoint_worker.segmenter.simplification import overlap
from fourpoint_worker.segmenter.tracing import trace


def rectangle(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[rows, columns] = True
    return mask


def test_a_rectangle_of_whole_pixels_is_traced_along_their_sides() -> None:
    [region] = trace(soft(rectangle(slice(5, 20), slice(10, 30))))
    assert region.bounds == (10, 5, 30, 20)
    assert region.area == pytest.approx(15 * 20, abs=0.51)  # each corner is cut by an eighth


def test_a_half_believed_column_moves_the_outline_by_part_of_a_pixel() -> None:
    probability = rectangle(slice(5, 20), slice(10, 30)).astype(float)
    probability[:, 30] = probability[:, 29] * 0.25
    [region] = trace(soft(probability))
    assert region.bounds[2] == pytest.approx(29.5 + 0.5 / 0.75, abs=1e-6)


def test_cells_become_pixels_by_scale_and_origin() -> None:
    probability = rectangle(slice(5, 20), slice(10, 30)).astype(np.float32)
    [region] = trace(SoftMask(probability, origin_xy=(100.0, 50.0), pixels_per_cell=(2.0, 0.5)))
    assert region.bounds == (120, 52.5, 160, 60)


def test_a_region_at_the_image_border_reaches_beyond_it_so_that_clipping_is_exact() -> None:
    [region] = trace(soft(rectangle(slice(0, 30), slice(0, 40)) * 0.6))
    assert region.intersection(box(0, 0, 40, 30)).area == pytest.approx(30 * 40, abs=0.01)


def test_a_hole_is_taken_out_and_the_island_in_it_is_a_region() -> None:
    ring = disc(60, 60, (30, 30), 25) & ~disc(60, 60, (30, 30), 15)
    regions = trace(soft(ring | disc(60, 60, (30, 30), 5)))
    assert sorted(len(region.interiors) for region in regions) == [0, 1]


def test_a_disc_is_traced_to_a_hundredth() -> None:
    mask = disc(100, 100, (50, 50), 40)
    assert sum(region.area for region in trace(soft(mask))) == pytest.approx(mask.sum(), rel=0.01)


def test_an_empty_mask_has_no_regions() -> None:
    assert trace(soft(np.zeros((10, 10)))) == []


def test_cells_at_exactly_one_half_leave_valid_regions() -> None:
    chequered = np.indices((12, 12)).sum(axis=0) % 2 * 0.5 + 0.5
    assert all(region.is_valid for region in trace(soft(chequered)))


def test_overlap_of_two_shapes_is_exact() -> None:
    assert overlap(box(0, 0, 2, 1), box(1, 0, 3, 1)) == pytest.approx(1 / 3)
