"""The engine with a network: what it asks, what it makes of the answer, and what it does without a file."""

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.segmenter.compact_models import RULE, reddish_model
from tests.unit.segmenter.scenes import (
    GRASS,
    SAND,
    Mask,
    carry_on,
    clicks_on,
    disc,
    overlap_with,
    painted,
    tailed,
)

from fourpoint_core.domain.geometry import Box, Contour, Part, validate_contour
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_core.errors import NoOutlineError, SettingsError
from fourpoint_worker.segmenter.compact.engine import CompactEngine
from fourpoint_worker.segmenter.compact.looking import look, mirrored
from fourpoint_worker.segmenter.compact.refinement import Refinement, refined
from fourpoint_worker.segmenter.compact.settings import SHIPPED_MODEL, CompactSettings
from fourpoint_worker.segmenter.contours import contour_from
from fourpoint_worker.segmenter.crops import crop_around
from fourpoint_worker.segmenter.engines import Surroundings, build_engine
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Decoded, Engine, Outline, RgbImage
from fourpoint_worker.segmenter.rasters import fill_rings


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reddish_model(tmp_path_factory.mktemp("models") / "model.onnx")


@pytest.fixture(scope="module")
def engine(model: Path) -> Engine:
    return build_engine("compact", Surroundings(compact=CompactSettings(model=str(model))))


def drawn(engine: Engine, image: RgbImage, prompt: Prompt) -> Outline:
    outline = draw_outline(engine, Decoded(image), prompt, carry_on)
    validate_contour(outline.contour, image.shape[1], image.shape[0])
    return outline


def crescent() -> Mask:
    return disc(160, 200, (100, 80), 60) & ~disc(160, 200, (130, 80), 45)


@pytest.mark.parametrize("centre", [(100, 80), (30.5, 60), (185, 20)])
def test_the_outline_is_where_the_network_says(engine: Engine, centre: tuple[float, float]) -> None:
    """In the middle of the photo, and where its edge cuts the object."""
    mask = disc(160, 200, centre, 40)
    assert overlap_with(drawn(engine, painted(mask, noise=0), clicks_on(mask)).contour, mask) > 0.96


@pytest.mark.parametrize(("rows", "columns"), [(30, 38), (1200, 1600)])
def test_an_object_of_any_size_fits_the_grid(engine: Engine, rows: int, columns: int) -> None:
    mask = disc(rows, columns, (columns / 2, rows / 2), rows / 3)
    assert overlap_with(drawn(engine, painted(mask, noise=0), clicks_on(mask)).contour, mask) > 0.95


def test_a_long_object_is_seen_with_more_cells_across(tmp_path: Path) -> None:
    mask = np.zeros((120, 400), bool)
    mask[50:74, 30:370] = True

    def found(stretch: float) -> float:
        file = reddish_model(tmp_path / f"{stretch}.onnx", replace(RULE, stretch=stretch))
        engine = CompactEngine(CompactSettings(model=str(file), refined=False))
        return overlap_with(drawn(engine, painted(mask, noise=0), clicks_on(mask)).contour, mask)

    assert found(2.0) > found(1.0)


def test_a_box_is_a_prompt(engine: Engine) -> None:
    mask = crescent()
    clicks = clicks_on(mask).box
    assert overlap_with(drawn(engine, painted(mask), Prompt(box_prompt=clicks)).contour, mask) > 0.9


def test_an_earlier_outline_is_a_prompt(engine: Engine) -> None:
    """On a grey wall nothing but the earlier outline tells that the box holds an L."""
    wall = np.full((120, 160, 3), 128, np.uint8)
    corner = ((40.0, 20.0), (60.0, 20.0), (60.0, 80.0), (120.0, 80.0), (120.0, 100.0), (40.0, 100.0))
    prompt = Prompt(box_prompt=Box(40, 20, 120, 100), contour=Contour((Part(corner),)))
    assert overlap_with(drawn(engine, wall, prompt).contour, fill_rings([corner], 120, 160)) > 0.95


def test_a_point_to_exclude_takes_out_what_looks_like_it(engine: Engine) -> None:
    mask = disc(160, 200, (100, 80), 60)
    image = painted(mask, noise=0)
    tip = disc(160, 200, (100, 50), 15)
    image[tip] = (180, 60, 60)
    clicks = clicks_on(mask)
    before = drawn(engine, image, clicks)
    after = drawn(engine, image, Prompt(points=clicks.points, exclude=((100.5, 50.5),)))
    assert overlap_with(before.contour, mask) > 0.95
    assert overlap_with(after.contour, mask & ~tip) > 0.95


def test_a_point_to_include_brings_in_what_looks_like_it(engine: Engine) -> None:
    mask = disc(160, 200, (100, 80), 60)
    image = painted(mask, noise=0)
    patch = disc(160, 200, (100, 110), 14)
    image[patch] = (60, 60, 160)
    clicks = clicks_on(mask)
    missed = drawn(engine, image, clicks).contour
    found = drawn(engine, image, Prompt(points=clicks.points, include=((100.5, 110.5),))).contour
    assert overlap_with(missed, mask & ~patch) > 0.93
    assert overlap_with(found, mask) > 0.95


def test_a_point_to_include_beyond_what_the_network_saw_brings_in_what_goes_on_behind_it() -> None:
    image, square, tail, clicks = tailed()
    engine = build_engine("compact")
    without, asked = (
        drawn(engine, image, Prompt(points=clicks, include=include)) for include in ((), ((160.0, 120.0),))
    )
    assert overlap_with(without.contour, square) > 0.95
    assert overlap_with(asked.contour, square | tail) > 0.95


def test_a_network_that_sees_nothing_gives_no_outline(engine: Engine) -> None:
    mask = disc(100, 120, (60, 50), 30)
    with pytest.raises(NoOutlineError):
        drawn(engine, painted(mask, GRASS, GRASS, noise=0), clicks_on(mask))


def test_clicks_on_one_pixel_of_a_tiny_picture_do_not_break_it(engine: Engine) -> None:
    click = (0.5, 0.5)
    reddish = np.full((1, 1, 3), SAND, np.uint8)
    drawn(engine, reddish, Prompt(points=ExtremePoints(click, click, click, click)))


def test_clicks_are_told_by_their_roles_in_the_middles_of_the_outermost_cells() -> None:
    # 64 pixels on a grid whose box has 64 cells: a cell is a pixel.
    prompt = Prompt(
        points=ExtremePoints(top=(80.5, 40.5), bottom=(90.5, 103.5), left=(50.5, 70.5), right=(113.5, 60.5))
    )
    view = look(np.zeros((200, 200, 3), np.uint8), prompt, RULE)
    assert view.crop.pixels_per_cell == (1.0, 1.0)
    assert view.inputs["clicks"][0].tolist() == [[46.5, 16.5], [56.5, 79.5], [16.5, 46.5], [79.5, 36.5]]
    assert view.inputs["box"][0].tolist() == [16.5, 16.5, 79.5, 79.5]
    assert view.inputs["clicked"].tolist() == [1]


def test_beyond_the_photo_its_edge_is_repeated_and_said_to_be_beyond() -> None:
    image = np.full((60, 60, 3), 50, np.uint8)
    image[:, 0] = 200
    seen = look(image, Prompt(box_prompt=Box(0, 10, 40, 50)), RULE).inputs["image"][0]
    beyond = seen[3] == 0
    assert beyond[:, :15].all() and not beyond[20:70, 17:].any()
    assert np.allclose(seen[0, :, :14], 200 / 255, atol=0.02)


def test_a_mirror_shows_what_the_mirrored_photo_would() -> None:
    mask = crescent()
    image, clicks = painted(mask), clicks_on(mask)
    assert clicks.points is not None
    top, bottom, left, right = ((200 - x, y) for x, y in clicks.points.as_tuple())
    swapped = Prompt(points=ExtremePoints(top, bottom, left=right, right=left), exclude=((200 - 90, 80),))
    here = mirrored(look(image, Prompt(points=clicks.points, exclude=((90, 80),)), RULE).inputs)
    there = look(np.ascontiguousarray(image[:, ::-1]), swapped, RULE).inputs
    for name, value in here.items():
        assert np.allclose(value, there[name], atol=0.02), name


def test_the_digest_names_the_file_and_what_is_made_of_its_answers(engine: Engine, model: Path) -> None:
    plain = CompactEngine(CompactSettings(model=str(model), refined=False))
    shipped = build_engine("compact")
    assert plain.model_digest == hashlib.sha256(model.read_bytes()).hexdigest()
    assert len({plain.model_digest, engine.model_digest, shipped.model_digest}) == 3


def test_the_cut_finds_an_edge_that_lies_between_the_cells_of_the_network(model: Path) -> None:
    """Seven pixels to a cell of the network: its own outline passes over the teeth of the comb's rim."""
    mask = disc(700, 900, (450, 350), 300)
    mask[:, ::24] &= disc(700, 900, (450, 350), 270)[:, ::24]
    mask[:, 1::24] &= disc(700, 900, (450, 350), 270)[:, 1::24]

    def found(refined: bool) -> float:
        engine = CompactEngine(CompactSettings(model=str(model), refined=refined))
        return overlap_with(drawn(engine, painted(mask, noise=0), clicks_on(mask)).contour, mask)

    assert found(True) > found(False)


def test_a_cut_that_shrinks_to_nothing_is_not_believed() -> None:
    """On a grey wall a network that is hardly sure: no border at all would be the cheapest."""
    wall = np.full((160, 200, 3), 128, np.uint8)
    mask = disc(160, 200, (100, 80), 60)
    seen = crop_around(wall, Box(0, 0, 200, 160), 0, 200, 1)
    odds = np.where(mask, 0.02, -0.02).astype(np.float32)
    found = refined(wall, clicks_on(mask), seen, odds, Refinement()).probability > 0.5
    assert 0.15 < found.mean() < 0.6


def holes_of_a_ring(sure: float, prompt: Prompt) -> int:
    """In the outline of a ring, where the network's log odds for what lies within it are `sure`."""
    within = disc(160, 200, (100, 80), 25)
    ring = disc(160, 200, (100, 80), 60) & ~within
    photo = painted(ring)
    seen = crop_around(photo, Box(0, 0, 200, 160), 0, 200, 1)
    odds = np.where(ring, 6.0, np.where(within, sure, -6.0)).astype(np.float32)
    found = refined(photo, prompt, seen, odds, Refinement())
    return len(contour_from(found, prompt, 200, 160).parts[0].holes)


@pytest.mark.parametrize(("sure", "holes"), [(-6.0, 1), (-1.0, 0)])
def test_a_hole_stays_where_the_network_is_sure_of_it(sure: float, holes: int) -> None:
    assert holes_of_a_ring(sure, clicks_on(disc(160, 200, (100, 80), 60))) == holes


def test_a_point_to_exclude_opens_a_hole_that_the_network_doubts() -> None:
    clicks = clicks_on(disc(160, 200, (100, 80), 60))
    assert holes_of_a_ring(-1.0, replace(clicks, exclude=((100.5, 80.5),))) == 1


def test_stages_are_timed_apart(engine: Engine) -> None:
    mask = crescent()
    assert {"crop", "network", "cut", "polygon"} <= drawn(
        engine, painted(mask), clicks_on(mask)
    ).milliseconds.keys()


def test_threads_that_share_the_engine_get_their_own_answers(engine: Engine) -> None:
    masks = [disc(120, 160, (60 + 5 * step, 60), 20 + 2 * step) for step in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda mask: drawn(engine, painted(mask), clicks_on(mask)).contour, masks * 3)
    assert all(overlap_with(one, mask) > 0.9 for one, mask in zip(found, masks * 3, strict=True))


@pytest.mark.parametrize("content", [b"", b"not a network"])
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.onnx"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"broken\.onnx"):
        CompactEngine(CompactSettings(model=str(file)))


def test_a_configured_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.onnx"):
        build_engine("compact", Surroundings(compact=CompactSettings(model=str(tmp_path / "nowhere.onnx"))))


def test_where_the_shipped_file_is_missing_the_engine_without_weights_stands_in_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fourpoint_worker.segmenter.compact.settings.SHIPPED_MODEL", tmp_path / "model.onnx")
    with caplog.at_level(logging.WARNING):
        engine = build_engine("compact")
    assert engine.name == "weight-free"
    assert "'weight-free' stands in" in caplog.text


def test_the_shipped_model_outlines_a_crescent() -> None:
    engine = build_engine("compact")
    engine.warm_up()
    mask = crescent()
    outline = drawn(engine, painted(mask), clicks_on(mask))
    assert engine.name == "compact"
    assert overlap_with(outline.contour, mask) > 0.9


def test_the_shipped_model_knows_an_outline_that_it_cannot_be_sure_of() -> None:
    """A disc before its own colour, and before another."""
    engine = build_engine("compact")
    mask = disc(160, 200, (100, 80), 60)
    hidden = mask & (np.indices(mask.shape).sum(0) % 40 < 20)
    sure, unsure = (drawn(engine, painted(seen, noise=30), clicks_on(mask)) for seen in (mask, hidden))
    assert sure.confident and unsure.score < sure.score - 0.1


@pytest.mark.parametrize("refines", [True, False])
def test_the_score_falls_with_what_the_network_is_not_sure_of(model: Path, refines: bool) -> None:
    engine = CompactEngine(CompactSettings(model=str(model), refined=refines))
    mask = disc(160, 200, (100, 80), 60)
    plain = Prompt(points=clicks_on(mask).points)
    sure, pale = (
        engine.soft_mask(Decoded(painted(mask, colour, noise=0)), plain, carry_on).quality
        for colour in (SAND, (120, 140, 60))
    )
    assert sure is not None and pale is not None
    assert 0 <= pale < sure <= 1


def test_the_shipped_model_is_the_one_of_the_model_card() -> None:
    card = (Path(__file__).parents[3] / "docs" / "model-card.md").read_text()
    assert hashlib.sha256(SHIPPED_MODEL.read_bytes()).hexdigest() in card
    assert SHIPPED_MODEL.stat().st_size <= 12_000_000
