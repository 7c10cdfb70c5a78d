"""Prompts as people give them: clicks that are a little off, boxes, corrections, an outline to start from.

All in cells of the grid, continuous; index i covers [i, i + 1).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from fourpoint_training.chance import Chance
from fourpoint_training.recipes import Mix
from fourpoint_worker.segmenter.compact.window import GridRule

_CORRECTIONS = 3


@dataclass(frozen=True)
class Prompts:
    """What the network is asked, beside the picture.

    clicks: (n, 4, 2), top, bottom, left, right. clicked: (n,), 1 for clicks, 0 where they are the middles of
    a box's sides. box: (n, 4), x0, y0, x1, y1. corrections: (n, k, 3), x, y and 1 on the object, -1 off it,
    0 nothing. earlier: (n, 1, cells, cells), 1 inside and -1 outside of an earlier outline, 0 without one.
    """

    clicks: Tensor
    clicked: Tensor
    box: Tensor
    corrections: Tensor
    earlier: Tensor


def exact_prompts(truth: Tensor) -> Prompts:
    """Clicks in the middles of the extreme cells' rows and columns."""
    return _from_clicks(extreme_cells(truth, torch.full((len(truth), 4), 0.5, device=truth.device)), truth)


def human_prompts(truth: Tensor, slips: Tensor, rule: GridRule, mix: Mix, chance: Chance) -> Prompts:
    """Prompts for `truth`, whose clicks are off by `slips`: (n,) standard errors, as shares of the object."""
    count = len(truth)
    # Anywhere along a flat extreme is as right as its middle.
    share = torch.where(chance.happens(0.5, count)[:, None], chance.uniform(0, 1, count, 4), 0.5)
    clicks = extreme_cells(truth, share)
    off = rule.box_cells * slips
    clicks = (clicks + chance.normal(count, 4, 2) * off[:, None, None]).clamp(0, rule.cells)
    prompts = _from_clicks(clicks, truth)
    as_box = chance.happens(mix.box, count)
    prompts = replace(
        prompts,
        clicked=(~as_box).float(),
        clicks=torch.where(as_box[:, None, None], middles_of_sides(prompts.box), clicks),
    )
    started = chance.happens(mix.earlier, count)[:, None, None, None]
    return replace(prompts, earlier=torch.where(started, _worn(truth, chance), prompts.earlier))


def extreme_cells(truth: Tensor, share: Tensor) -> Tensor:
    """(n, 4, 2): a cell's centre in the first row, last row, first column, last column of each mask.

    share: (n, 4) in 0..1, how far along the mask's cells in that row or column; a half is their median.
    """
    cells = truth.shape[-1]
    inside = truth[:, 0]
    number = torch.arange(len(truth), device=truth.device)
    found = []
    for role, (lines, from_end) in enumerate(
        ((inside, False), (inside, True), (inside.mT, False), (inside.mT, True))
    ):
        there = lines.any(2).float()
        index = cells - 1 - there.flip(1).argmax(1) if from_end else there.argmax(1)
        line = lines[number, index].float()
        wanted = 1 + torch.floor(share[:, role] * (line.sum(1) - 1).clamp_min(0))
        along = (line.cumsum(1) >= wanted[:, None]).float().argmax(1)
        x, y = (along, index) if role < 2 else (index, along)
        found.append(torch.stack([x, y], 1) + 0.5)
    return torch.stack(found, 1)


def middles_of_sides(box: Tensor) -> Tensor:
    """(n, 4) boxes to (n, 4, 2)."""
    x0, y0, x1, y1 = box.unbind(1)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return torch.stack([torch.stack(pair, 1) for pair in ((x, y0), (x, y1), (x0, y), (x1, y))], 1)


def corrected(prompts: Prompts, logits: Tensor, truth: Tensor, chance: Chance) -> Prompts:
    """The prompts of someone who saw `logits` and sets points right; half of them start from the outline."""
    wrong = ((logits > 0) != truth)[:, 0].float()
    # Middles of large mistakes are clicked sooner than their rims.
    weight = wrong * functional.avg_pool2d(wrong[:, None], 9, 1, 4)[:, 0] ** 2
    flat = weight.flatten(1)
    some = flat.sum(1) > 0
    picked = chance.pick(torch.where(some[:, None], flat, 1.0), _CORRECTIONS)
    cells = truth.shape[-1]
    x, y = picked % cells + 0.5, picked // cells + 0.5
    sign = truth.flatten(1).gather(1, picked).float() * 2 - 1
    used = torch.arange(_CORRECTIONS, device=truth.device) <= chance.integers(_CORRECTIONS, len(truth))[:, None]
    sign = sign * (used & some[:, None])
    started = chance.happens(0.5, len(truth))[:, None, None, None]
    outline = (logits > 0).float() * 2 - 1
    return replace(
        prompts,
        corrections=torch.stack([x.float(), y.float(), sign], 2),
        earlier=torch.where(started, outline, prompts.earlier),
    )


def _from_clicks(clicks: Tensor, truth: Tensor) -> Prompts:
    count = len(clicks)
    return Prompts(
        clicks=clicks,
        clicked=torch.ones(count, device=clicks.device),
        box=torch.cat([clicks.amin(1), clicks.amax(1)], 1),
        corrections=torch.zeros(count, 1, 3, device=clicks.device),
        earlier=torch.zeros(truth.shape, device=clicks.device),
    )


def _worn(truth: Tensor, chance: Chance) -> Tensor:
    """An outline that is nearly right: shifted, grown or shrunk, with lumps; 1 inside, -1 outside."""
    cells = truth.shape[-1]
    soft = functional.avg_pool2d(truth.float(), 7, 1, 3)
    lumps = functional.interpolate(chance.normal(len(truth), 1, 7, 7), size=(cells, cells), mode="bicubic")
    dx, dy = (int(step) - 3 for step in chance.integers(7, 2))
    level = chance.normal(len(truth), 1, 1, 1) * 0.15 + 0.5
    return (torch.roll(soft + 0.25 * lumps, (dy, dx), (2, 3)) > level).float() * 2 - 1
