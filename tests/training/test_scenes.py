"""Scenes and prompts are what the engine will meet."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from fourpoint_core.domain.geometry import Box
from fourpoint_training.chance import Chance
from fourpoint_training.objects import Bank, build_bank, hull_of, read_rows
from fourpoint_training.prompting import corrected, exact_prompts, extreme_cells, human_prompts
from fourpoint_training.recipes import Mix
from fourpoint_training.sampling import cell_sizes, object_maps
from fourpoint_training.scenes import click_slips, draw_scenes, plain_scenes
from fourpoint_training.spoiling import compress
from fourpoint_worker.segmenter.compact.window import GridRule, window_around

RULE = GridRule(cells=64)
CPU = torch.device("cpu")


def chance(step: int = 0) -> Chance:
    return Chance(1, step, CPU)


@pytest.mark.parametrize("size", [(40.0, 40.0), (100.0, 30.0), (10.0, 90.0)])
def test_training_places_a_box_as_the_engine_does(size: tuple[float, float]) -> None:
    window = window_around(Box(5, 7, 5 + size[0], 7 + size[1]), RULE)
    assert cell_sizes(torch.tensor([size]), RULE)[0].tolist() == pytest.approx(window.pixels_per_cell)


def test_an_object_lies_where_the_engine_will_look_for_it(bank: Bank) -> None:
    truth = plain_scenes(bank, torch.arange(len(bank)), RULE).truth
    box = exact_prompts(truth).box
    assert ((box[:, :2] + box[:, 2:]) / 2 - RULE.cells / 2).abs().max() < 1.5
    assert (box[:, 2:] - box[:, :2]).amax(1).sub(RULE.box_cells - 1).abs().max() < 2


def test_the_same_seed_and_step_draw_the_same_scenes(bank: Bank) -> None:
    one, same, other = (
        draw_scenes(bank, bank.draw_weights(0.5), 8, RULE, Mix(), chance(step)).image for step in (3, 3, 4)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_every_kind_of_scene_has_an_object_on_a_photo(bank: Bank) -> None:
    everything = Mix(pasted=0.4, made=0.4, distractor=1, occluder=1, cut=0.5, coarse=1, blur=1, noise=1, jpeg=1)
    scenes = draw_scenes(bank, bank.draw_weights(0.5), 64, RULE, everything, chance())
    assert scenes.image.shape == (64, 4, 64, 64)
    assert torch.isfinite(scenes.image).all() and scenes.image.min() >= 0 and scenes.image.max() <= 1
    assert not (scenes.truth & (scenes.image[:, 3:] == 0)).any()
    assert (scenes.truth.sum((1, 2, 3)) > 0).float().mean() > 0.95


def test_an_object_that_its_photo_cuts_ends_there_on_other_ground_too(folder: Path) -> None:
    rows = read_rows([folder])
    for row in rows:
        # As if the photo ended with the object's middle.
        row["image"], row["mask"] = (cut_in_the_middle(folder, row, row[name]) for name in ("image", "mask"))
        row["right"] = [row["left"][0] + (row["right"][0] - row["left"][0]) // 2, row["left"][1]]
    cut = build_bank(rows, 96)
    pasted = Mix(pasted=1, made=0, distractor=0, occluder=0, cut=0, small=0, jitter=0)
    truth = draw_scenes(cut, cut.draw_weights(0.5), 64, RULE, pasted, chance()).truth
    rim = truth.clone()
    rim[:, :, 2:-2, 2:-2] = False
    assert truth.any((1, 2, 3)).all() and not rim.any()


def cut_in_the_middle(folder: Path, row: dict[str, Any], name: str) -> str:
    """A file beside `name` whose picture ends in the object's middle; its name."""
    picture = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
    middle = row["left"][0] + (row["right"][0] - row["left"][0]) // 2 + 1
    beside = name.replace(".png", "-cut.png")
    cv2.imwrite(str(folder / beside), picture[:, :middle])
    return beside


def test_a_mask_that_fits_no_photo_is_named(folder: Path) -> None:
    row = read_rows([folder])[0]
    cv2.imwrite(str(folder / "narrow.png"), np.full((90, 100), 255, np.uint8))
    cv2.imwrite(str(folder / "nothing.png"), np.zeros((90, 110), np.uint8))
    for name in ("narrow.png", "nothing.png"):
        with pytest.raises(ValueError, match=name):
            build_bank([{**row, "mask": name}], 96)


def test_an_object_thinner_than_a_pixel_of_its_crop_is_still_one(folder: Path) -> None:
    wire = np.zeros((90, 110), np.uint8)
    wire[40, 5:105] = 255
    cv2.imwrite(str(folder / "wire.png"), wire)
    ends = {"left": [5, 40], "right": [104, 40], "top": [50, 40], "bottom": [50, 40]}
    bank = build_bank([{**read_rows([folder])[0], **ends, "mask": "wire.png"}], 24)
    assert bank.hulls[0, :, 0].max() - bank.hulls[0, :, 0].min() >= 18


def test_objects_without_a_domain_are_of_one(tmp_path: Path) -> None:
    (tmp_path / "objects.jsonl").write_text('{"image": "a.png", "mask": "b.png"}\n')
    assert read_rows([tmp_path])[0]["domain"] == "all"


def test_clicks_are_on_the_outermost_cells() -> None:
    truth = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    truth[0, 0, 5:21, 8:27] = True
    middle = extreme_cells(truth, torch.full((1, 4), 0.5))[0]
    first = extreme_cells(truth, torch.zeros(1, 4))[0]
    assert middle.tolist() == [[17.5, 5.5], [17.5, 20.5], [8.5, 12.5], [26.5, 12.5]]
    assert first[0].tolist() == [8.5, 5.5]


def across(clicks: Tensor, others: Tensor) -> Tensor:
    """What only a hand can have moved: along the row or column of an extreme any of its cells is right."""
    return torch.stack([clicks[:, :2, 1] - others[:, :2, 1], clicks[:, 2:, 0] - others[:, 2:, 0]])


def test_clicks_are_off_by_the_slips_of_the_scene(bank: Bank) -> None:
    truth = plain_scenes(bank, torch.arange(len(bank)).repeat(20), RULE).truth
    exact = exact_prompts(truth).clicks
    for slip in (0.0, 0.02, 0.1):
        slips = torch.full((len(truth),), slip)
        clicks = human_prompts(truth, slips, RULE, Mix(box=0.0), chance()).clicks
        assert across(clicks, exact).std() == pytest.approx(slip * RULE.box_cells, rel=0.1)


def test_a_pixel_matters_more_on_a_small_object(bank: Bank) -> None:
    small, large = (replace(bank, hulls=bank.hulls * scale) for scale in (0.2, 1.0))
    many = torch.arange(len(bank)).repeat(200)
    mix = Mix(jitter=1.0)
    slips = [click_slips(objects, many, mix, chance()) for objects in (small, large)]
    assert slips[0].mean() > 2 * slips[1].mean()
    assert slips[1].min() > 0 and slips[0].max() <= 0.2
    assert click_slips(large, many, Mix(jitter=0.0), chance()).abs().max() == 0


def test_a_window_is_off_with_the_clicks(bank: Bank) -> None:
    many = torch.arange(len(bank)).repeat(50)

    def middles(slip: float) -> Tensor:
        maps = object_maps(bank, many, RULE, 0.0, chance(), torch.full((len(many),), slip))
        return torch.einsum("nij,j->ni", maps.matrix, torch.full((2,), RULE.cells / 2)) + maps.shift

    still = middles(0.0)
    small, large = ((middles(slip) - still).norm(dim=1).mean() for slip in (0.03, 0.15))
    assert large > 3 * small > 0


def test_a_box_prompt_has_no_clicks_but_the_middles_of_its_sides(bank: Bank) -> None:
    truth = plain_scenes(bank, torch.arange(8), RULE).truth
    prompts = human_prompts(truth, torch.full((8,), 0.05), RULE, Mix(box=1.0), chance())
    assert prompts.clicked.sum() == 0
    assert torch.allclose(prompts.clicks[:, 0, 0], (prompts.box[:, 0] + prompts.box[:, 2]) / 2)


def test_corrections_lie_in_the_mistakes(bank: Bank) -> None:
    truth = plain_scenes(bank, torch.arange(8), RULE).truth
    wrong = torch.where(torch.roll(truth, 9, 3), 1.0, -1.0)
    found = corrected(exact_prompts(truth), wrong, truth, chance()).corrections
    for index, points in enumerate(found):
        for x, y, sign in points[points[:, 2] != 0].tolist():
            here = index, 0, int(y), int(x)
            assert bool(truth[here]) == (sign > 0) != bool(wrong[here] > 0)
    assert (found[:, :, 2] != 0).any(1).all()


def test_a_mask_without_mistakes_is_not_corrected(bank: Bank) -> None:
    truth = plain_scenes(bank, torch.arange(8), RULE).truth
    right = torch.where(truth, 1.0, -1.0)
    assert corrected(exact_prompts(truth), right, truth, chance()).corrections[:, :, 2].abs().sum() == 0


def test_a_hull_reaches_as_far_as_its_mask() -> None:
    mask = np.zeros((30, 40), bool)
    mask[4:11, 6:32] = True
    hull = hull_of(mask)
    assert (hull.min(0), hull.max(0)) == (pytest.approx([6, 4]), pytest.approx([32, 11]))


def test_compression_changes_fine_structure_and_keeps_the_whole() -> None:
    picture = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    spoilt = compress(picture, chance())
    assert (spoilt - picture).abs().mean() > 0.01
    assert (spoilt.mean((2, 3)) - picture.mean((2, 3))).abs().max() < 0.05


def test_a_domain_can_be_left_out(folder: Path) -> None:
    assert read_rows([folder], without=["bites"]) == []


def test_a_rare_domain_is_drawn_more_often_than_its_share() -> None:
    names = ("many",) * 90 + ("few",) * 10
    empty = torch.zeros(100, 1)
    weights = Bank(empty, empty, empty, names, "").draw_weights(0.5)
    assert float(weights[90:].sum() / weights.sum()) == pytest.approx(0.25)
