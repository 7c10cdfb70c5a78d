"""What cameras, files and small sizes do to a picture."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from fourpoint_training.chance import Chance
from fourpoint_training.recipes import Mix

_BLOCK = 8


def recolour(picture: Tensor, chance: Chance) -> Tensor:
    """Brightness, contrast, saturation, white balance and gamma, each a little other; some pictures grey."""
    count = len(picture)

    def factor(spread: float, channels: int = 1) -> Tensor:
        return torch.exp(chance.normal(count, channels, 1, 1) * spread)

    picture = picture.clamp(1e-3, 1) ** factor(0.25)
    grey = picture.mean(1, keepdim=True)
    saturation = torch.where(chance.happens(0.06, count)[:, None, None, None], 0.0, factor(0.3))
    picture = grey + (picture - grey) * saturation
    mean = picture.mean((1, 2, 3), keepdim=True)
    picture = mean + (picture - mean) * factor(0.25)
    return (picture * factor(0.06, 3) + chance.normal(count, 1, 1, 1) * 0.06).clamp(0, 1)


def spoil(picture: Tensor, mix: Mix, chance: Chance) -> Tensor:
    """Each of the damages to some of the pictures (n, 3, h, w), values 0..1."""
    for share, damage in (
        (mix.coarse, coarsen),
        (mix.blur, blur),
        (mix.noise, add_noise),
        (mix.jpeg, compress),
    ):
        chosen = chance.happens(share, len(picture)).nonzero()[:, 0]
        if len(chosen):
            picture = picture.index_copy(0, chosen, damage(picture[chosen], chance))
    return picture.clamp(0, 1)


def coarsen(picture: Tensor, chance: Chance) -> Tensor:
    """As a small object looks when it is enlarged to the grid; one factor for all."""
    cells = picture.shape[-1]
    less = max(8, int(cells / math.exp(float(chance.uniform(0.2, 1.8, 1)))))
    small = functional.interpolate(picture, size=(less, less), mode="bilinear", antialias=True)
    return functional.interpolate(small, size=(cells, cells), mode="bicubic")


def blur(picture: Tensor, chance: Chance) -> Tensor:
    """Out of focus, or moved in one direction; one kernel for all."""
    spread, moved = float(chance.uniform(0.4, 1.8, 1)), float(chance.uniform(-3, 1, 1))
    line = torch.arange(-4, 5, device=picture.device, dtype=picture.dtype)
    kernels = [torch.exp(-0.5 * (line / width) ** 2) for width in (spread, spread * math.exp(max(0.0, moved)))]
    across, down = (kernel / kernel.sum() for kernel in kernels)
    framed = functional.pad(picture, (4, 4, 4, 4), mode="replicate")
    wide = functional.conv2d(framed, across.view(1, 1, 1, 9).expand(3, 1, 1, 9), groups=3)
    return functional.conv2d(wide, down.view(1, 1, 9, 1).expand(3, 1, 9, 1), groups=3)


def add_noise(picture: Tensor, chance: Chance) -> Tensor:
    """Of a sensor: more in some pictures, with some of it the same in all channels."""
    strength = chance.uniform(0.005, 0.08, len(picture), 1, 1, 1)
    return (
        picture
        + strength * (chance.normal(*picture.shape) + chance.normal(len(picture), 1, *picture.shape[2:])) / 2
    )


def compress(picture: Tensor, chance: Chance) -> Tensor:
    """As JPEG does: cosines of 8 x 8 blocks, rounded, the finer ones more."""
    count, channels, height, width = picture.shape
    basis = _cosines(picture.device)
    blocks = picture.reshape(count, channels, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(3, 4)
    waves = basis @ blocks @ basis.T
    place = torch.arange(_BLOCK, device=picture.device, dtype=torch.float32)
    steps = (0.04 + 0.03 * (place[:, None] + place[None, :])) * chance.uniform(0.2, 2.5, count, 1, 1, 1, 1, 1)
    rounded = basis.T @ (torch.round(waves / steps) * steps) @ basis
    return rounded.transpose(3, 4).reshape(count, channels, height, width)


def _cosines(device: torch.device) -> Tensor:
    """The orthonormal cosine transform of eight values."""
    place = torch.arange(_BLOCK, device=device, dtype=torch.float32)
    basis = torch.cos(math.pi / _BLOCK * (place[None] + 0.5) * place[:, None]) * math.sqrt(2 / _BLOCK)
    basis[0] /= math.sqrt(2)
    return basis
