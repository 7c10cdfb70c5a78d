"""The engine without weights finds what a person sees, whatever the picture is like."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.segmenter.scenes import SLATE, Mask, carry_on, clicks_on, disc, overlap_with, painted, tailed

from fourpoint_core.domain.geometry import Box, Contour, Part, validate_contour
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_worker.segmenter.engines import build_engine
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Decoded, Outline, RgbImage
from fourpoint_worker.segmenter.rasters import fill_rings
from fourpoint_worker.segmenter.weight_free import Parameters, WeightFreeEngine

ENGINE = build_engine("weight-free")


def crescent() -> Mask:
    return disc(160, 200, (100, 80), 60) & ~disc(160, 200, (130, 80), 45)


def drawn(image: RgbImage, prompt: Prompt) -> Outline:
    outline = draw_outline(ENGINE, Decoded(image), prompt, carry_on)
    validate_contour(outline.contour, image.shape[1], image.shape[0])
    return outline


def found(mask: Mask, image: RgbImage | None = None) -> float:
    return overlap_with(drawn(painted(mask) if image is None else image, clicks_on(mask)).contour, mask)


def test_a_disc_is_found() -> None:
    assert found(disc(120, 160, (80, 60), 40)) > 0.97


def test_a_concave_shape_is_followed_into_its_bay() -> None:
    assert found(crescent()) > 0.93


def test_a_ring_keeps_its_hole() -> None:
    ring = disc(160, 200, (100, 80), 60) & ~disc(160, 200, (100, 80), 30)
    outline = drawn(painted(ring), clicks_on(ring))
    assert overlap_with(outline.contour, ring) > 0.93
    assert len(outline.contour.parts[0].holes) == 1


def test_a_grey_picture_is_enough() -> None:
    mask = crescent()
    assert found(mask, painted(mask, (150, 150, 150), (90, 90, 90))) > 0.9


def test_an_object_of_two_colours_is_one_object() -> None:
    mask = disc(120, 160, (80, 60), 40)
    image = painted(mask)
    image[(np.arange(120)[:, None] < 60) & mask] = SLATE
    assert found(mask, image) > 0.95


def test_an_object_cut_by_the_image_border_is_found() -> None:
    assert found(disc(120, 160, (20, 60), 50)) > 0.95


def test_a_large_picture_is_outlined_to_a_few_of_its_pixels() -> None:
    mask = disc(1500, 2000, (900, 700), 500)
    assert found(mask, painted(mask, noise=0)) > 0.98


@pytest.mark.parametrize(("radius", "least"), [(1.5, 0.6), (3, 0.75), (6, 0.9), (12, 0.93)])
def test_small_objects_are_found(radius: float, least: float) -> None:
    assert found(disc(60, 60, (30.5, 30.5), radius)) > least


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 7), (3, 3)])
def test_the_smallest_pictures_have_a_valid_outline(width: int, height: int) -> None:
    drawn(np.full((height, width, 3), 90, np.uint8), Prompt(box_prompt=Box(0, 0, width, height)))


def test_clicks_on_one_and_the_same_pixel_do_not_break_it() -> None:
    click = (10.5, 10.5)
    drawn(np.full((40, 40, 3), 90, np.uint8), Prompt(points=ExtremePoints(click, click, click, click)))


def test_a_picture_of_one_colour_gives_a_draft_from_the_clicks_alone() -> None:
    mask = disc(120, 160, (80, 60), 40)
    assert found(mask, np.full((120, 160, 3), 128, np.uint8)) > 0.65


def test_a_box_alone_is_enough() -> None:
    mask = disc(120, 160, (80, 60), 40)
    assert overlap_with(drawn(painted(mask), Prompt(box_prompt=Box(40, 20, 120, 100))).contour, mask) > 0.96


def two_discs() -> tuple[RgbImage, Prompt]:
    both = disc(120, 200, (60, 60), 40) | disc(120, 200, (140, 60), 40)
    return painted(both), clicks_on(both)


def test_a_point_to_exclude_takes_its_region_out() -> None:
    image, prompt = two_discs()
    outline = drawn(image, replace(prompt, exclude=((140.0, 60.0),)))
    taken_out = disc(120, 200, (140, 60), 40)
    assert overlap_with(drawn(image, prompt).contour, taken_out) > 0.45
    assert overlap_with(outline.contour, taken_out) < 0.2


def test_a_point_to_include_is_inside_the_outline() -> None:
    ring = disc(160, 200, (100, 80), 60) & ~disc(160, 200, (100, 80), 30)
    outline = drawn(painted(ring), replace(clicks_on(ring), include=((100.0, 80.0),)))
    assert outline.contour.parts[0].holes == ()


def test_a_point_to_include_beyond_the_box_brings_in_what_goes_on_behind_it() -> None:
    image, square, tail, clicks = tailed()
    prompt = Prompt(points=clicks, include=((160.0, 120.0),))
    assert overlap_with(drawn(image, prompt).contour, square | tail) > 0.95


def test_the_same_question_has_the_same_answer() -> None:
    image, prompt = painted(crescent()), clicks_on(crescent())
    assert drawn(image, prompt).contour == drawn(image, prompt).contour


def test_sixteen_threads_get_the_answers_that_each_would_get_alone() -> None:
    masks = [disc(80, 100, (50, 40), 12 + number) for number in range(16)]
    questions = [(painted(mask), clicks_on(mask)) for mask in masks]
    alone = [drawn(*question).contour for question in questions]
    with ThreadPoolExecutor(16) as threads:
        together = list(threads.map(lambda question: drawn(*question).contour, questions))
    assert together == alone


def test_a_passed_deadline_stops_between_stages() -> None:
    class DeadlinePassedError(Exception):
        pass

    seen: list[str] = []

    def stop_at_third(stage: str) -> None:
        seen.append(stage)
        if len(seen) == 3:
            raise DeadlinePassedError

    mask = crescent()
    with pytest.raises(DeadlinePassedError):
        draw_outline(ENGINE, Decoded(painted(mask)), clicks_on(mask), stop_at_third)
    assert len(seen) == 3


def test_other_parameters_have_another_digest() -> None:
    default = WeightFreeEngine().model_digest
    assert default == WeightFreeEngine().model_digest
    assert default != WeightFreeEngine(replace(Parameters(), cells=64)).model_digest


def test_an_earlier_outline_is_where_the_engine_starts_from() -> None:
    """On a grey wall nothing but the earlier outline tells that the box holds an L."""
    wall = np.full((120, 160, 3), 128, np.uint8)
    corner = ((40.0, 20.0), (60.0, 20.0), (60.0, 80.0), (120.0, 80.0), (120.0, 100.0), (40.0, 100.0))
    truth = fill_rings([corner], 120, 160)
    box = Box(40, 20, 120, 100)
    without = drawn(wall, Prompt(box_prompt=box))
    started = drawn(wall, Prompt(box_prompt=box, contour=Contour((Part(corner),))))
    assert overlap_with(started.contour, truth) > 0.8 > overlap_with(without.contour, truth)


def test_warming_up_twice_is_harmless() -> None:
    ENGINE.warm_up()
    ENGINE.warm_up()


def test_stages_are_timed_apart() -> None:
    assert {"colours", "cut", "polygon"} <= drawn(
        painted(crescent()), clicks_on(crescent())
    ).milliseconds.keys()
