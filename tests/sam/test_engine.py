"""The engine as the service uses it: outlines, prompts, many threads."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from tests.sam.conftest import MakeEngine
from tests.sam.scenes import BRIGHT, DARK, OBJECT, Watched, clicks_on, draw, scene
from tests.unit.segmenter.scenes import carry_on

from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.errors import NoOutlineError, SettingsError
from fourpoint_worker.segmenter.metrics import EngineMetrics
from fourpoint_worker.segmenter.port import Decoded, RgbImage, Urgency
from fourpoint_worker.segmenter.sam.engine import SamEngine


def test_four_clicks_give_the_outline_of_what_lies_between_them(make_engine: MakeEngine) -> None:
    """The network thinks most of the mask of the background; the clicks say that it is not meant."""
    outline = draw(make_engine(), Decoded(scene(), "one"))
    assert outline.contour.bounding_box.as_list() == pytest.approx(OBJECT.as_list(), abs=0.6)
    assert outline.confident
    assert set(outline.milliseconds) == {"image", "embedding", "model", "polygon"}


def test_a_box_gives_the_same_outline(make_engine: MakeEngine) -> None:
    outline = draw(make_engine(), Decoded(scene(), "one"), Prompt(box_prompt=OBJECT))
    assert outline.contour.bounding_box.as_list() == pytest.approx(OBJECT.as_list(), abs=0.6)


def test_an_outline_lies_right_on_an_image_of_another_size(make_engine: MakeEngine) -> None:
    """Four times as large, and not square: the canvas is a quarter of it, with a rest below."""
    large = Box(192, 256, 768, 640)
    image = np.full((800, 1024, 3), DARK, np.uint8)
    image[256:640, 192:768] = BRIGHT
    outline = draw(make_engine(), Decoded(image, "large"), clicks_on(large))
    assert outline.contour.bounding_box.as_list() == pytest.approx(large.as_list(), abs=2.5)


def test_a_small_object_is_looked_at_on_its_own(make_engine: MakeEngine) -> None:
    """On the canvas of the whole image it is a quarter of one square, which the network cannot tell apart."""
    small = Box(1000, 1500, 1060, 1550)
    image = np.full((2048, 2048, 3), DARK, np.uint8)
    image[1500:1550, 1000:1060] = BRIGHT
    zoomed = draw(make_engine(), Decoded(image, "small"), clicks_on(small))
    assert zoomed.contour.bounding_box.as_list() == pytest.approx(small.as_list(), abs=8)
    assert zoomed.confident
    with pytest.raises(NoOutlineError):
        draw(make_engine(zoom=False), Decoded(image, "small"), clicks_on(small))


def test_a_point_beyond_a_small_box_takes_the_outline_there(make_engine: MakeEngine) -> None:
    """The box is a third of the object; a square around the box alone would end before the object does."""
    part, whole = Box(1000, 1500, 1060, 1550), Box(1000, 1500, 1180, 1550)
    image = np.full((2048, 2048, 3), DARK, np.uint8)
    image[1500:1550, 1000:1180] = BRIGHT
    prompt = Prompt(box_prompt=part, include=((1170.0, 1525.0),))
    drawn = draw(make_engine(), Decoded(image, "long"), prompt).contour.bounding_box
    assert drawn.x1 == pytest.approx(whole.x1, abs=20)


def test_where_nothing_is_nothing_is_found(make_engine: MakeEngine) -> None:
    engine = make_engine()
    # All four masks are what is bright now.
    mlps = engine._decoder._masks.output_hypernetworks_mlps
    for number in (1, 3):
        mlps[number].layers[-1].bias.copy_(mlps[0].layers[-1].bias)
    with pytest.raises(NoOutlineError):
        draw(engine, Decoded(np.full((256, 256, 3), DARK, np.uint8), "dark"))


def test_an_earlier_outline_is_a_prompt(make_engine: MakeEngine, random_checkpoint: Path) -> None:
    """What a network of random weights makes of it nobody knows, but it makes something else of it."""
    engine = make_engine(random_checkpoint)
    square = Contour((Part(((60.0, 70.0), (180.0, 70.0), (180.0, 150.0), (60.0, 150.0))),))
    image = np.random.default_rng(3).integers(0, 255, (256, 256, 3), np.uint8)
    plain = engine.soft_mask(Decoded(image, "a"), Prompt(box_prompt=OBJECT), carry_on)
    guided = engine.soft_mask(Decoded(image, "a"), Prompt(box_prompt=OBJECT, contour=square), carry_on)
    assert plain.probability.shape == guided.probability.shape
    assert not np.allclose(plain.probability, guided.probability)


def test_an_engine_whose_calls_would_look_as_if_they_hung_does_not_start(make_engine: MakeEngine) -> None:
    with pytest.raises(SettingsError, match="FOURPOINT_STAGE_SECONDS"):
        make_engine(stage_seconds=1e-6)


def test_the_second_click_on_an_image_does_not_look_at_it(make_engine: MakeEngine) -> None:
    engine = make_engine()
    first, second = Watched(scene(), "one"), Watched(scene(), "one")
    assert draw(engine, first).contour == draw(engine, second).contour
    assert (first.looks, second.looks) == (1, 0)


def test_a_prepared_image_is_not_looked_at_by_the_first_click(make_engine: MakeEngine) -> None:
    engine, picture = make_engine(), Watched(scene(), "one")
    engine.prepare(picture, carry_on)
    draw(engine, picture)
    assert picture.looks == 1


def test_sixteen_people_on_sixteen_images_get_what_each_gets_alone(
    make_engine: MakeEngine, random_checkpoint: Path
) -> None:
    """At once, on one device, in calls that they share; nobody gets a neighbour's mask."""
    rng = np.random.default_rng(5)
    noise = [
        np.kron(rng.integers(0, 255, (16, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8) for _ in range(16)
    ]
    prompts = [clicks_on(Box(20 + n, 30 + 2 * n, 200 + 2 * n, 190 + n)) for n in range(16)]

    def mask(engine: SamEngine, number: int) -> np.ndarray:
        picture = Decoded(noise[number], f"image {number}")
        return engine.soft_mask(picture, prompts[number], carry_on).probability

    alone_engine = make_engine(random_checkpoint)
    alone = [mask(alone_engine, number) for number in range(16)]
    engine = make_engine(random_checkpoint, batches=(1, 2, 4), patience_seconds=0.05)
    with ThreadPoolExecutor(16) as pool:
        for _ in range(2):
            together = list(pool.map(lambda number: mask(engine, number), range(16)))
            for one, other in zip(alone, together, strict=True):
                assert one.shape == other.shape
                assert np.abs(one - other).max() < 1e-3
    # Or a neighbour's mask would have passed for one's own.
    height, width = np.min([one.shape for one in alone], axis=0)
    first, *others = (one[:height, :width] for one in alone)
    assert min(np.abs(first - other).max() for other in others) > 0.1


def test_waiting_images_share_calls_of_the_encoder(make_engine: MakeEngine) -> None:
    registry = CollectorRegistry()
    engine = make_engine(metrics=EngineMetrics(registry), batches=(1, 4), patience_seconds=0.5)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: draw(engine, Decoded(scene(), f"image {number}")), range(8)))
    calls = registry.get_sample_value("fourpoint_encoder_batch_images_count")
    images = registry.get_sample_value("fourpoint_encoder_batch_images_sum")
    assert images == 8 and calls is not None and calls < 8
    assert registry.get_sample_value("fourpoint_embeddings_total", {"source": "made"}) == 8


@pytest.mark.parametrize("urgency", [Urgency.PREFETCH, Urgency.BATCH])
def test_a_click_waits_for_no_more_than_the_call_in_hand(make_engine: MakeEngine, urgency: Urgency) -> None:
    """Ten others stand in the queue when the click comes, while the encoder works on the first of them."""
    engine = make_engine()
    order: list[str] = []
    go_on = threading.Event()
    encode = engine._queue._encode_call

    def held(images: list[RgbImage]) -> object:
        order.append("click" if images[0].max() == 255 else "other")
        assert go_on.wait(30)
        return encode(images)

    engine._queue._encode_call = held
    bright = scene()
    bright[0, 0] = 255
    with ThreadPoolExecutor(11) as pool:
        others = [
            pool.submit(engine.prepare, Decoded(scene(), f"other {n}"), carry_on, urgency) for n in range(10)
        ]
        until(lambda: len(order) == 1 and len(engine._queue._waiting) == 9)
        click = pool.submit(draw, engine, Decoded(bright, "click"))
        until(lambda: len(engine._queue._waiting) == 10)
        go_on.set()
        for future in (click, *others):
            future.result()
    assert order[:2] == ["other", "click"]


def until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)
