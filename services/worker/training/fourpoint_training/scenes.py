"""Scenes to learn from: real objects as they are, pasted elsewhere, and made ones."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fourpoint_training.chance import Chance
from fourpoint_training.objects import Bank
from fourpoint_training.recipes import Mix
from fourpoint_training.sampling import Maps, anywhere_maps, cell_sizes, object_maps, sample
from fourpoint_training.shapes import made_masks, made_pictures
from fourpoint_training.spoiling import recolour, spoil
from fourpoint_worker.segmenter.compact.window import GridRule

# An object that is hidden further than this is not what anyone would label.
_LEAST_SEEN = 0.45
_MADE_PICTURES = 0.35
# Objects of so many pixels and more may have been shrunk; the largest that people click on.
_SHRUNK, _LARGEST = 90.0, 900.0
# Beyond this share of the object, a click's standard error is not a slip any more.
_WORST_HAND = 0.2


@dataclass(frozen=True)
class Scenes:
    """image: float (n, 4, cells, cells), RGB in 0..1, and 1 where the photo is. truth: bool (n, 1, ...).

    slips: (n,) standard error of the clicks, as a share of the object.
    """

    image: Tensor
    truth: Tensor
    slips: Tensor


def draw_scenes(bank: Bank, weights: Tensor, count: int, rule: GridRule, mix: Mix, chance: Chance) -> Scenes:
    """`count` scenes, with objects drawn by `weights`."""
    chosen = chance.pick(weights, count)
    slips = click_slips(bank, chosen, mix, chance)
    read, inside = sample(
        bank.photos[chosen],
        bank.sizes[chosen],
        object_maps(bank, chosen, rule, mix.small, chance, slips),
        rule.cells,
        reflect=False,
    )
    # Beyond the photo its last pixels are read again; an object that its edge cuts ends there.
    rgb, alpha = read[:, :3], read[:, 3:] * inside
    kind = chance.uniform(0, 1, count)
    made = (kind < mix.made).nonzero()[:, 0]
    elsewhere = (kind < mix.made + mix.pasted).nonzero()[:, 0]
    if len(made):
        rgb = rgb.index_copy(0, made, _recoloured_pictures(bank, len(made), rule, chance))
        alpha = alpha.index_copy(0, made, made_masks(len(made), rule, chance))
    if len(elsewhere):
        rgb = rgb.index_copy(
            0, elsewhere, _on_other_ground(bank, rgb[elsewhere], alpha[elsewhere], rule, mix, chance)
        )
        inside = inside.index_fill(0, elsewhere, True)
    rgb, alpha = _behind_others(bank, rgb, alpha, rule, mix, chance)
    truth = alpha > 0.5
    rgb, inside = _cut_by_the_edge(rgb, inside, truth, mix, chance)
    rgb = spoil(recolour(rgb, chance), mix, chance)
    return Scenes(torch.cat([rgb, inside.float()], 1), truth & inside, slips)


def click_slips(bank: Bank, chosen: Tensor, mix: Mix, chance: Chance) -> Tensor:
    """(n,) standard errors of the clicks on these objects, as shares of the object.

    A pixel's slip means more on a small object. An object that was shrunk may have been of any larger size.
    """
    hulls = bank.hulls[chosen]
    size = (hulls.amax(1) - hulls.amin(1)).amax(1)
    larger = torch.exp(chance.uniform(0, math.log(_LARGEST / _SHRUNK), len(chosen)))
    size = torch.where(size >= _SHRUNK, size * larger, size)
    off = (mix.off_pixels / size + mix.off_share) * chance.uniform(0, 1, len(chosen))
    return off.clamp_max(_WORST_HAND) * chance.happens(mix.jitter, len(chosen))


def plain_scenes(bank: Bank, chosen: Tensor, rule: GridRule) -> Scenes:
    """The chosen objects as the engine would see them after exact clicks: nothing turned, nothing spoilt."""
    hulls = bank.hulls[chosen]
    low, high = hulls.amin(1), hulls.amax(1)
    cell = cell_sizes(high - low, rule)
    maps = Maps(torch.diag_embed(cell), (low + high) / 2 - rule.cells / 2 * cell)
    read, inside = sample(bank.photos[chosen], bank.sizes[chosen], maps, rule.cells, reflect=False)
    return Scenes(
        torch.cat([read[:, :3], inside.float()], 1), (read[:, 3:] > 0.5) & inside, torch.zeros(len(chosen))
    )


def _pictures(bank: Bank, count: int, rule: GridRule, chance: Chance) -> Tensor:
    """Pieces of any photos, and some made ones: float (count, 3, cells, cells)."""
    chosen = chance.integers(len(bank), count)
    sizes = bank.sizes[chosen]
    read, _ = sample(
        bank.photos[chosen, :3], sizes, anywhere_maps(sizes, rule.cells, chance), rule.cells, reflect=True
    )
    made = chance.happens(_MADE_PICTURES, count).nonzero()[:, 0]
    return read.index_copy(0, made, made_pictures(len(made), rule.cells, chance)) if len(made) else read


def _recoloured_pictures(bank: Bank, count: int, rule: GridRule, chance: Chance) -> Tensor:
    return recolour(_pictures(bank, count, rule, chance), chance)


def _on_other_ground(
    bank: Bank, rgb: Tensor, alpha: Tensor, rule: GridRule, mix: Mix, chance: Chance
) -> Tensor:
    """The objects before other pictures, some with another object between the two."""
    ground = _recoloured_pictures(bank, len(rgb), rule, chance)
    some = chance.happens(mix.distractor, len(rgb)).nonzero()[:, 0]
    if len(some):
        other, other_alpha = _others(bank, len(some), rule, 0.35, chance)
        ground = ground.index_copy(0, some, _over(other, other_alpha, ground[some]))
    return _over(rgb, alpha, ground)


def _behind_others(
    bank: Bank, rgb: Tensor, alpha: Tensor, rule: GridRule, mix: Mix, chance: Chance
) -> tuple[Tensor, Tensor]:
    """Some scenes with an object before the target, which then ends where the other begins."""
    some = chance.happens(mix.occluder, len(rgb)).nonzero()[:, 0]
    if not len(some):
        return rgb, alpha
    other, other_alpha = _others(bank, len(some), rule, 0.4, chance)
    left = alpha[some] * (1 - other_alpha)
    seen = left.sum((1, 2, 3)) >= _LEAST_SEEN * alpha[some].sum((1, 2, 3))
    other_alpha = other_alpha * seen[:, None, None, None]
    return (
        rgb.index_copy(0, some, _over(other, other_alpha, rgb[some])),
        alpha.index_copy(0, some, alpha[some] * (1 - other_alpha)),
    )


def _others(bank: Bank, count: int, rule: GridRule, off: float, chance: Chance) -> tuple[Tensor, Tensor]:
    """Any objects, each beside the grid's middle by about `off` of its side."""
    chosen = chance.integers(len(bank), count)
    maps = object_maps(bank, chosen, rule, 0.5, chance)
    away = chance.normal(count, 2)
    away = away / away.norm(dim=1, keepdim=True).clamp_min(1e-3) * (off * rule.cells)
    maps = Maps(maps.matrix, maps.shift - torch.einsum("nij,nj->ni", maps.matrix, away))
    read, inside = sample(bank.photos[chosen], bank.sizes[chosen], maps, rule.cells, reflect=False)
    return recolour(read[:, :3], chance), read[:, 3:] * inside


def _over(rgb: Tensor, alpha: Tensor, ground: Tensor) -> Tensor:
    """Paste with an edge about a cell soft, as photos have it."""
    soft = functional.avg_pool2d(alpha, 3, 1, 1, count_include_pad=False)
    return rgb * soft + ground * (1 - soft)


def _cut_by_the_edge(
    rgb: Tensor, inside: Tensor, truth: Tensor, mix: Mix, chance: Chance
) -> tuple[Tensor, Tensor]:
    """Some photos end within the object: beyond, their last row or column is repeated."""
    count, _, _, cells = rgb.shape
    cut = chance.happens(mix.cut, count)
    across, at_end = chance.happens(0.5, count), chance.happens(0.5, count)
    there = truth.any(2)[:, 0] if count else truth
    along = torch.where(across[:, None], there, truth.any(3)[:, 0]).float()
    first, last = along.argmax(1), cells - 1 - along.flip(1).argmax(1)
    share = chance.uniform(0.03, 0.3, count)
    low = torch.where(cut & ~at_end, (first + share * (last - first)).long(), 0)
    high = torch.where(cut & at_end, (last - share * (last - first)).long(), cells - 1)
    line = torch.arange(cells, device=rgb.device).expand(count, cells)
    kept = (line >= low[:, None]) & (line <= high[:, None])
    nearest = torch.minimum(torch.maximum(line, low[:, None]), high[:, None])
    straight = line
    columns = torch.where(across[:, None], nearest, straight)
    rows = torch.where(across[:, None], straight, nearest)
    number = torch.arange(count, device=rgb.device)[:, None, None]
    rgb = rgb.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    keep_columns = kept | ~across[:, None]
    keep_rows = kept | across[:, None]
    return rgb, inside & (keep_rows[:, None, :, None] & keep_columns[:, None, None, :])
