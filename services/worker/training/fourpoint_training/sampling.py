"""Pieces of stored photos on the network's grid, many at a time.

Maps are affine, from grid cells to photo pixels, both continuous: a matrix (n, 2, 2) and a shift (n, 2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fourpoint_training.chance import Chance
from fourpoint_training.objects import Bank
from fourpoint_worker.segmenter.compact.window import GridRule


@dataclass(frozen=True)
class Maps:
    """photo = matrix @ cell + shift."""

    matrix: Tensor
    shift: Tensor

    def __getitem__(self, chosen: Tensor) -> "Maps":
        return Maps(self.matrix[chosen], self.shift[chosen])


def cell_centres(cells: int, device: torch.device) -> Tensor:
    """(cells, cells, 2): x and y of every cell's centre."""
    line = torch.arange(cells, device=device) + 0.5
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1)


def sample(photos: Tensor, sizes: Tensor, maps: Maps, cells: int, reflect: bool) -> tuple[Tensor, Tensor]:
    """Read `photos` (n, c, s, s) uint8 through `maps`: float (n, c, cells, cells) in 0..1, and what was inside.

    Beyond a photo its edge is repeated, or the photo mirrored with `reflect`; `inside` is bool
    (n, 1, cells, cells) and true everywhere in the latter case.
    """
    side = photos.shape[-1]
    grid = cell_centres(cells, photos.device).expand(len(photos), cells, cells, 2)
    where = torch.einsum("nij,nhwj->nhwi", maps.matrix, grid) + maps.shift[:, None, None]
    limit = sizes[:, None, None]
    if reflect:
        turn = torch.remainder(where, 2 * limit)
        where = torch.minimum(turn, 2 * limit - turn)
    inside = ((where >= 0) & (where <= limit)).all(-1)[:, None]
    where = torch.minimum(where.clamp_min(0.5), limit - 0.5)
    read = functional.grid_sample(
        photos.float() / 255,
        where * (2 / side) - 1,
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return read, inside


def object_maps(
    bank: Bank, chosen: Tensor, rule: GridRule, small: float, chance: Chance, slips: Tensor | None = None
) -> Maps:
    """Maps that bring each chosen object to where the rule puts its box, turned, scaled and a little off.

    slips: (n,) standard error of the clicks, as a share of the object; the box is made of those clicks.
    """
    turned = random_turns(len(chosen), chance)
    hulls = torch.einsum("nij,npj->npi", turned, bank.hulls[chosen])
    low, high = hulls.amin(1), hulls.amax(1)
    cell = cell_sizes(high - low, rule)
    slip = torch.zeros(len(chosen), 1, device=cell.device) if slips is None else slips[:, None]
    cell = cell * torch.exp(chance.uniform(-0.16, 0.16, len(chosen), 1) + chance.normal(len(chosen), 1) * slip)
    much = torch.exp(chance.uniform(0.2, 1.4, len(chosen), 1))
    cell = torch.where(chance.happens(small, len(chosen))[:, None], cell * much, cell)
    off = chance.normal(len(chosen), 2) * (0.02 * rule.cells + 0.7 * slip * rule.box_cells)
    origin = (low + high) / 2 - (rule.cells / 2 + off) * cell
    back = torch.linalg.inv(turned)
    return Maps(back * cell[:, None], torch.einsum("nij,nj->ni", back, origin))


def cell_sizes(box_sizes: Tensor, rule: GridRule) -> Tensor:
    """Width and height of a cell (n, 2) for boxes of these sizes, as `window_around` has them."""
    wanted = box_sizes / rule.box_cells
    return torch.maximum(wanted, wanted.amax(1, keepdim=True) / rule.stretch)


def random_turns(count: int, chance: Chance) -> Tensor:
    """(count, 2, 2): mirrored or not, mostly upright, some turned any way, a little sheared and stretched."""
    angle = chance.normal(count) * 0.15
    angle = torch.where(chance.happens(0.15, count), chance.uniform(-3.1416, 3.1416, count), angle)
    c, s = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    stretch = torch.exp(chance.normal(count, 2) * 0.12)
    mirror = 1 - 2 * chance.happens(0.5, count).float()
    shear = chance.normal(count) * 0.08
    upper = torch.stack([stretch[:, 0] * mirror, shear], -1)
    lower = torch.stack([torch.zeros_like(shear), stretch[:, 1]], -1)
    return turn @ torch.stack([upper, lower], -2)


def anywhere_maps(sizes: Tensor, cells: int, chance: Chance) -> Maps:
    """Maps that show some piece of each photo, from a quarter of it to a little more than all."""
    count = len(sizes)
    extent = sizes.amax(1, keepdim=True)[:, :, None] * torch.exp(chance.uniform(-1.4, 0.2, count, 1, 1))
    matrix = random_turns(count, chance) * extent / cells
    centre = sizes * chance.uniform(0, 1, count, 2)
    return Maps(matrix, centre - matrix.sum(-1) * (cells / 2))
