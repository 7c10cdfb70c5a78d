"""Made masks and made pictures: variety that no photo has to be labeled for."""

import torch
from torch import Tensor
from torch.nn import functional

from fourpoint_training.chance import Chance
from fourpoint_training.sampling import Maps, cell_centres, cell_sizes, random_turns, sample
from fourpoint_worker.segmenter.compact.window import GridRule

_DRAWN = 96
_WAVES = 7
_STROKES = 4


def made_masks(count: int, rule: GridRule, chance: Chance) -> Tensor:
    """float (count, 1, cells, cells) of 0..1: blobs, some with limbs, some with holes, placed by the rule."""
    there = cell_centres(_DRAWN, chance.device).expand(count, _DRAWN, _DRAWN, 2) / _DRAWN * 2 - 1
    body = _blob(there, 0.45, chance)
    limbs = chance.happens(0.5, count)[:, None, None] & _strokes(there, chance)
    hole = chance.happens(0.25, count)[:, None, None] & _blob(
        there * 2.2 + chance.normal(count, 1, 1, 2) * 0.4, 0.5, chance
    )
    mask = (body | limbs) & ~hole
    # Where a hole took everything, the body is what is left.
    mask = torch.where((mask.sum((1, 2)) < _DRAWN)[:, None, None], body, mask)
    return _placed(mask[:, None], rule, chance)


def made_pictures(count: int, cells: int, chance: Chance) -> Tensor:
    """float (count, 3, cells, cells) of 0..1: clouds of a few colours, some with stripes or a grain."""
    colours = chance.uniform(0, 1, count, 3, 3)
    layers = [_clouds(count, cells, size, chance) for size in (2, 5, 13)]
    weights = torch.softmax(2 * torch.stack([layer[:, 0] for layer in layers], 1), 1)
    picture = torch.einsum("nkc,nkhw->nchw", colours, weights)
    there = cell_centres(cells, chance.device) / cells
    way = chance.normal(count, 2) * 30
    wave = torch.sin(torch.einsum("nj,hwj->nhw", way, there) + layers[0][:, 0])
    striped = chance.happens(0.35, count)[:, None, None, None]
    picture = picture + striped * wave[:, None] * chance.uniform(-0.3, 0.3, count, 3, 1, 1)
    grain = _clouds(count, cells, cells // 2, chance) * chance.uniform(0, 0.12, count, 1, 1, 1)
    return (picture + grain).clamp(0, 1)


def _clouds(count: int, cells: int, size: int, chance: Chance) -> Tensor:
    """(count, 1, cells, cells): smooth noise with about `size` bumps along a side."""
    return functional.interpolate(
        chance.normal(count, 1, size, size), size=(cells, cells), mode="bilinear", align_corners=True
    )


def _blob(there: Tensor, radius: float, chance: Chance) -> Tensor:
    """bool (n, h, w): inside of a closed curve whose radius waves around the middle."""
    count = len(there)
    angle = torch.atan2(there[..., 1], there[..., 0])
    number = torch.arange(1, _WAVES + 1, device=there.device)
    height = chance.normal(count, _WAVES) * chance.uniform(0.05, 0.45, count, 1) / number**0.8
    phase = chance.uniform(0, 6.2832, count, _WAVES)
    wave = torch.einsum(
        "nk,nkhw->nhw",
        height,
        torch.cos(number[None, :, None, None] * angle[:, None] + phase[:, :, None, None]),
    )
    # Superellipses: from diamonds over discs to boxes.
    power = torch.exp(chance.uniform(0, 1.4, count))[:, None, None]
    distance = (there.abs().clamp_min(1e-4) ** power[..., None]).sum(-1) ** (1 / power)
    return distance < radius * torch.exp(wave).clamp(0.35, 2.0)


def _strokes(there: Tensor, chance: Chance) -> Tensor:
    """bool (n, h, w): a few straight limbs that start near the middle."""
    count = len(there)
    start = chance.normal(count, _STROKES, 2) * 0.2
    end = chance.uniform(-0.95, 0.95, count, _STROKES, 2)
    wide = chance.uniform(0.012, 0.09, count, _STROKES)
    along = end - start
    from_start = there[:, None] - start[:, :, None, None]
    share = (from_start * along[:, :, None, None]).sum(-1) / (along**2).sum(-1).clamp_min(1e-6)[
        :, :, None, None
    ]
    nearest = share.clamp(0, 1)[..., None] * along[:, :, None, None]
    return ((from_start - nearest).norm(dim=-1) < wide[:, :, None, None]).any(1)


def _placed(mask: Tensor, rule: GridRule, chance: Chance) -> Tensor:
    """The drawn masks (n, 1, s, s), turned and brought to where the rule puts their boxes."""
    count = len(mask)
    low, high = _bounds(mask)
    turned = random_turns(count, chance)
    corners = torch.stack(
        [low, torch.stack([high[:, 0], low[:, 1]], 1), high, torch.stack([low[:, 0], high[:, 1]], 1)], 1
    )
    corners = torch.einsum("nij,npj->npi", turned, corners)
    first, last = corners.amin(1), corners.amax(1)
    cell = cell_sizes((last - first) * torch.exp(chance.normal(count, 2) * 0.3), rule)
    # However it is stretched, it stays on the grid.
    cell = torch.maximum(cell, (last - first) / rule.box_cells * 0.9) * torch.exp(
        chance.uniform(0, 0.3, count, 1)
    )
    origin = (first + last) / 2 - rule.cells / 2 * cell
    back = torch.linalg.inv(turned)
    maps = Maps(back * cell[:, None], torch.einsum("nij,nj->ni", back, origin))
    size = torch.full((count, 2), float(mask.shape[-1]), device=mask.device)
    read, inside = sample(mask * 255, size, maps, rule.cells, reflect=False)
    return read * inside


def _bounds(mask: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of the first and of the last true cell, (n, 2) each; of an empty mask, the whole grid."""
    pairs = []
    for axis in (2, 3):
        there = mask.any(axis)[:, 0].float()
        length = there.shape[1]
        pairs.append((there.argmax(1).float(), length - there.flip(1).argmax(1).float()))
    return torch.stack([pairs[0][0], pairs[1][0]], 1), torch.stack([pairs[0][1], pairs[1][1]], 1)
