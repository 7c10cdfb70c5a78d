"""An outline says how far to trust it, and which engines there are."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.segmenter.scenes import Mask, carry_on, clicks_on, disc, soft

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.errors import NoOutlineError, SettingsError
from fourpoint_worker.segmenter.engines import build_engine
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Checkpoint, Decoded, Outline, Picture, SoftMask, Urgency

IMAGE = np.zeros((100, 120, 3), np.uint8)


class EngineThatSees:
    """Answers with a given mask, whatever it is asked."""

    name = "fake"
    model_digest = "0" * 64

    def __init__(self, mask: Mask, quality: float | None = None):
        self._mask = mask
        self._quality = quality

    def warm_up(self) -> None:
        pass

    def prepare(self, picture: Picture, checkpoint: Checkpoint, urgency: Urgency = Urgency.PREFETCH) -> None:
        pass

    def soft_mask(
        self, picture: Picture, prompt: Prompt, checkpoint: Checkpoint, urgency: Urgency = Urgency.CLICK
    ) -> SoftMask:
        return replace(soft(self._mask), quality=self._quality)


def seen(mask: Mask, asked: Mask, quality: float | None = None) -> Outline:
    return draw_outline(EngineThatSees(mask, quality), Decoded(IMAGE), clicks_on(asked), carry_on)


def test_an_outline_that_meets_the_clicks_is_confident() -> None:
    mask = disc(100, 120, (60, 50), 40)
    outline = seen(mask, mask)
    assert outline.confident
    assert outline.score > 0.9


def test_an_outline_far_from_the_clicks_is_not() -> None:
    outline = seen(disc(100, 120, (60, 50), 15), disc(100, 120, (60, 50), 40))
    assert not outline.confident
    assert outline.score < 0.5


def test_an_outline_that_the_engine_itself_doubts_is_not() -> None:
    mask = disc(100, 120, (60, 50), 40)
    sure, doubted = seen(mask, mask, quality=0.9), seen(mask, mask, quality=0.4)
    assert sure.confident and not doubted.confident
    assert doubted.score < sure.score


def test_an_outline_that_goes_where_a_point_to_include_asks_it_to_is_trusted() -> None:
    square, more = np.zeros((100, 120), bool), np.zeros((100, 120), bool)
    square[30:70, 20:60], more[30:70, 20:100] = True, True
    asked = replace(clicks_on(square), include=((95.0, 50.0),))
    engine = EngineThatSees(more)
    assert draw_outline(engine, Decoded(IMAGE), asked, carry_on).confident


def test_every_stage_is_timed() -> None:
    mask = disc(100, 120, (60, 50), 40)
    assert set(seen(mask, mask).milliseconds) == {"image", "model", "polygon"}


def test_an_engine_that_sees_nothing_gives_no_outline() -> None:
    with pytest.raises(NoOutlineError):
        seen(np.zeros((100, 120), bool), disc(100, 120, (60, 50), 40))


def test_a_box_prompt_is_scored_by_its_sides() -> None:
    mask = disc(100, 120, (60, 50), 40)
    outline = draw_outline(
        EngineThatSees(mask), Decoded(IMAGE), Prompt(box_prompt=Box(20, 10, 100, 90)), carry_on
    )
    assert outline.confident


def test_an_unknown_engine_is_refused_by_naming_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'magic'.*weight-free"):
        build_engine("magic")
