"""Of the masks that the network offers the one is taken that agrees with the four clicks."""

import numpy as np
import pytest
from tests.unit.segmenter.scenes import Mask, clicks_on, disc

from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_prior import signed_distance
from fourpoint_worker.segmenter.contours import contour_from
from fourpoint_worker.segmenter.sam.choosing import Candidate, Choice, Chooser, choose, cut_for, soft_mask_of
from fourpoint_worker.segmenter.sam.frames import Frame

SIDE, CELLS = 256, 64
FRAME = Frame((0, 0, SIDE, SIDE), SIDE)
OBJECT = disc(SIDE, SIDE, (128, 128), 60)
PART = disc(SIDE, SIDE, (128, 108), 30)
GROUP = disc(SIDE, SIDE, (128, 128), 64) | disc(SIDE, SIDE, (200, 128), 40)


def logits_of(mask: Mask) -> np.ndarray:
    """As a network would draw it, a logit for each pixel of distance, by cells of four pixels."""
    return signed_distance(mask).reshape(CELLS, 4, CELLS, 4).mean(axis=(1, 3)).astype(np.float32)


def chosen(prompt: Prompt, *offers: tuple[Mask, float], shift: float = 0.0) -> Choice:
    cut = cut_for(prompt, FRAME, CELLS)
    candidates = [
        Candidate(logits_of(mask)[cut.rows, cut.columns] + shift, quality) for mask, quality in offers
    ]
    return choose(candidates, cut, prompt)


def test_the_mask_that_meets_the_clicks_wins_over_one_the_network_likes_better() -> None:
    choice = chosen(clicks_on(OBJECT), (PART, 0.95), (GROUP, 0.95), (OBJECT, 0.8))
    assert choice.index == 2


def test_of_masks_that_agree_the_network_decides() -> None:
    assert chosen(clicks_on(OBJECT), (OBJECT, 0.7), (OBJECT, 0.9)).index == 1


@pytest.mark.parametrize("shift", [-2.0, 2.0])
def test_the_border_runs_where_the_clicks_say(shift: float) -> None:
    """The network draws the object two pixels too small, or too large."""
    assert chosen(clicks_on(OBJECT), (OBJECT, 0.8), shift=shift).threshold * shift > 0


def test_a_border_that_meets_the_clicks_stays_the_networks_own() -> None:
    assert chosen(clicks_on(OBJECT), (OBJECT, 0.8)).threshold == 0


def test_a_correction_that_is_not_heeded_costs_a_mask_its_place() -> None:
    ring = OBJECT & ~disc(SIDE, SIDE, (128, 128), 30)
    clicks = clicks_on(OBJECT)
    assert chosen(clicks, (OBJECT, 0.9), (ring, 0.8)).index == 0
    corrected = Prompt(points=clicks.points, exclude=((128.0, 128.0),))
    assert chosen(corrected, (OBJECT, 0.9), (ring, 0.8)).index == 1


def test_an_empty_mask_is_never_preferred() -> None:
    nothing = np.zeros_like(OBJECT)
    assert chosen(clicks_on(OBJECT), (nothing, 1.0), (PART, 0.3)).index == 1


def test_a_box_is_agreed_with_by_its_sides_alone() -> None:
    box = clicks_on(OBJECT).box
    assert chosen(Prompt(box_prompt=box), (PART, 0.9), (OBJECT, 0.8)).index == 1


def test_what_leaves_the_device_holds_the_box_and_little_more() -> None:
    cut = cut_for(clicks_on(PART), FRAME, CELLS)
    assert (cut.rows.stop - cut.rows.start) * 4 < 60 + 2 * (9 + 16)
    assert cut.origin_xy == (cut.columns.start * 4.0, cut.rows.start * 4.0)


def test_the_outline_of_a_chosen_mask_is_the_objects() -> None:
    prompt = clicks_on(OBJECT)
    cut = cut_for(prompt, FRAME, CELLS)
    candidate = Candidate(logits_of(OBJECT)[cut.rows, cut.columns], 0.9)
    contour = contour_from(soft_mask_of(candidate, 0.0, cut), prompt, SIDE, SIDE)
    assert contour.area == pytest.approx(OBJECT.sum(), rel=0.01)
    assert contour.bounding_box.as_list() == pytest.approx([68, 68, 188, 188], abs=0.6)


def test_the_outline_lies_right_in_a_window_of_the_image() -> None:
    """The same object, seen through a window that starts at (1000, 500) and is shown at twice its size."""
    frame = Frame((1000, 500, 1128, 628), SIDE, whole=False)
    clicks = clicks_on(OBJECT)
    assert clicks.points is not None
    moved = Prompt(
        points=type(clicks.points)(*((x / 2 + 1000, y / 2 + 500) for x, y in clicks.points.as_tuple()))
    )
    cut = cut_for(moved, frame, CELLS)
    candidate = Candidate(logits_of(OBJECT)[cut.rows, cut.columns], 0.9)
    contour = contour_from(soft_mask_of(candidate, 0.0, cut), moved, 4000, 3000)
    assert contour.bounding_box.as_list() == pytest.approx([1034, 534, 1094, 594], abs=0.6)


def test_what_is_added_later_counts_on_and_is_compared_with_what_was_there() -> None:
    prompt = clicks_on(OBJECT)
    cut = cut_for(prompt, FRAME, CELLS)
    offers = [Candidate(logits_of(mask)[cut.rows, cut.columns], 0.8) for mask in (PART, GROUP, GROUP, OBJECT)]
    chooser = Chooser(cut, prompt)
    chooser.add(offers[:2])
    assert chooser.likeliest() == 1
    chooser.add(offers[2:])
    assert chooser.likeliest() == chooser.choose().index == 3
    assert chooser.choose() == choose(offers, cut, prompt)


def test_specks_beside_an_object_do_not_count_and_its_other_half_does() -> None:
    """An occluder may cut an object in two; noise may not pull its extent away."""
    prompt = clicks_on(OBJECT)
    cut = cut_for(prompt, FRAME, CELLS)
    plain = logits_of(OBJECT)[cut.rows, cut.columns]
    specks = plain.copy()
    specks[::4, 0] = 5.0
    halved = plain.copy()
    halved[:, halved.shape[1] // 2] = -5.0
    whole, dotted, parted = (choose([Candidate(x, 0.8)], cut, prompt) for x in (plain, specks, halved))
    assert dotted.score == pytest.approx(whole.score, abs=1e-6)
    assert parted.score == pytest.approx(whole.score, abs=0.02)
