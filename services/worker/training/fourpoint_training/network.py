"""The network: a picture on the grid and a prompt in, log odds of every cell out.

A residual U-Net whose colours are compared the way a cut's are: bins, learned and soft, are counted inside
and outside of a first guess, and every cell is told which side its bins are more common on. The first guess
comes from the clicks; a second round counts again under the network's own coarse answer.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from fourpoint_training.prompting import Prompts
from fourpoint_training.recipes import Recipe, Shape

# Maps of a prompt: four roles, whether they are clicks, box and quadrangle near and far, on, off, earlier.
_PROMPT_MAPS = 12
_IMAGE_MAPS = 4
_COLOUR_SPREAD = 30.0
_ODDS_MAPS = 2
_FINE = 8


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            _conv(width, width), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )
        # It begins as the identity, so that a deep stack learns from the first step.
        nn.init.zeros_(self.body[2].weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) to the same."""
        return torch.relu(x + self.body(x))


class Gate(nn.Module):
    """Each channel is weighed by what the whole picture holds."""

    def __init__(self, width: int):
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(width, width // 4, 1), nn.ReLU(), nn.Conv2d(width // 4, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) to the same."""
        return x * self.weigh(x.mean((2, 3), keepdim=True))


class LearnedHistogram(nn.Module):
    """Log odds of each cell's bins under a weighting of the cells; bins start as colours."""

    def __init__(self, inputs: int, bins: int):
        super().__init__()
        self.bins = nn.Conv2d(inputs, bins, 1)
        colours = torch.rand(bins, 3)
        with torch.no_grad():
            # Softmax of these is soft assignment to the nearest colour.
            self.bins.weight[:, :3, 0, 0] = 2 * _COLOUR_SPREAD * colours
            self.bins.weight[:, 3:] *= 0.1
            self.bins.bias.copy_(-_COLOUR_SPREAD * (colours**2).sum(1))

    def forward(self, features: Tensor, on: Tensor, off: Tensor) -> Tensor:
        """(n, 2, h, w): odds, and odds smoothed.

        features: (n, inputs, h, w), colours first. on, off: weights (n, 1, h, w).
        """
        share = torch.softmax(self.bins(features), 1)
        flat = share.flatten(2)
        odds = self._frequency(flat, on).log() - self._frequency(flat, off).log()
        told = (flat * odds).sum(1, keepdim=True).view_as(on)
        return torch.cat([told, functional.avg_pool2d(told, 5, 1, 2)], 1)

    @staticmethod
    def _frequency(flat: Tensor, weight: Tensor) -> Tensor:
        """(n, bins, 1): how often each bin is met, none of them never."""
        weights = weight.flatten(2)
        counts = (flat * weights).sum(2, keepdim=True)
        return counts / (weights.sum(2, keepdim=True) + 1e-3) + 0.02 / flat.shape[1]


class CompactNet(nn.Module):
    """See the module. Spatial sizes are fixed by `cells`, so that the exported file holds them too."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.cells = recipe.rule.cells
        shape: Shape = recipe.shape
        first, second, third, fourth = shape.widths
        self.colours = LearnedHistogram(3 + _IMAGE_MAPS * 4, shape.bins)
        self.stem = _conv(_IMAGE_MAPS * 4 + _PROMPT_MAPS + _ODDS_MAPS, first)
        self.down = nn.ModuleList(
            [_conv(first, second, 3, 2), _conv(second, third, 3, 2), _conv(third, fourth, 3, 2)]
        )
        self.encode = nn.ModuleList(
            nn.Sequential(*(Residual(width) for _ in range(count)))
            for width, count in zip(shape.widths, shape.blocks, strict=True)
        )
        self.gate = Gate(fourth)
        self.up = nn.ModuleList(
            [nn.Conv2d(fourth, third, 1), nn.Conv2d(third, second, 1), nn.Conv2d(second, first, 1)]
        )
        self.decode = nn.ModuleList([Residual(third), Residual(second), Residual(first)])
        self.coarse = nn.Conv2d(second, 1, 1)
        self.recount = LearnedHistogram(3 + second, shape.bins)
        self.told = nn.Conv2d(_ODDS_MAPS + 1, first, 1)
        self.fine = nn.Conv2d(first, _FINE * 4, 3, 1, 1)
        self.edge = _conv(_IMAGE_MAPS, _FINE)
        self.answer = nn.Sequential(_conv(2 * _FINE, 2 * _FINE), nn.Conv2d(2 * _FINE, 1, 1))

    def forward(self, image: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Logits (n, 1, cells, cells), and the coarse ones at a quarter of that."""
        maps, quadrangle, box = self._prompt_maps(prompts)
        half = functional.pixel_unshuffle(image, 2)
        colours = functional.avg_pool2d(image, 2)
        seen = colours[:, 3:]
        on = torch.sigmoid(quadrangle * 0.5) * seen
        off = torch.sigmoid(-box * 2.0) * seen
        odds = self.colours(torch.cat([colours[:, :3], half], 1), on, off)
        x = self.encode[0](self.stem(torch.cat([half, maps, odds], 1)))
        kept = [x]
        for down, encode in zip(self.down, list(self.encode)[1:], strict=True):
            x = encode(down(x))
            kept.append(x)
        x = self.gate(kept.pop())
        for level in (0, 1):
            x = self.decode[level](torch.relu(_doubled(self.up[level](x)) + kept.pop()))
        coarse = self.coarse(x)
        x = _doubled(self.up[2](x)) + kept.pop() + self.told(self._counted_again(x, coarse, colours))
        x = self.decode[2](torch.relu(x))
        fine = functional.pixel_shuffle(self.fine(x), 2)
        return self.answer(torch.cat([fine, self.edge(image)], 1)), coarse

    def _counted_again(self, features: Tensor, coarse: Tensor, colours: Tensor) -> Tensor:
        """(n, 3, half, half): odds under the coarse answer, and that answer."""
        on = torch.sigmoid(coarse)
        seen = functional.avg_pool2d(colours[:, 3:], 2)
        small = functional.avg_pool2d(colours[:, :3], 2)
        odds = self.recount(torch.cat([small, features], 1), on * seen, (1 - on) * seen)
        return _doubled(torch.cat([odds, coarse], 1))

    def _prompt_maps(self, prompts: Prompts) -> tuple[Tensor, Tensor, Tensor]:
        """(n, _PROMPT_MAPS, h, w) at half the grid, and signed depths in quadrangle and box, in cells."""
        half = self.cells // 2
        line = torch.arange(half, device=prompts.box.device, dtype=torch.float32) * 2 + 1
        x, y = line.view(1, 1, 1, half), line.view(1, 1, half, 1)
        near = 2 * (0.02 * self.cells) ** 2

        def spots(points: Tensor) -> Tensor:
            dx, dy = x - points[:, :, 0, None, None], y - points[:, :, 1, None, None]
            return torch.exp(-(dx * dx + dy * dy) / near)

        clicked = prompts.clicked.view(-1, 1, 1, 1)
        roles = spots(prompts.clicks) * clicked
        x0, y0, x1, y1 = prompts.box.view(-1, 4, 1, 1).split(1, 1)
        box = torch.minimum(torch.minimum(x - x0, x1 - x), torch.minimum(y - y0, y1 - y))
        quadrangle = _depth_in_quadrangle(prompts.clicks, x, y)
        unit = self.cells * 0.03
        marks = spots(prompts.corrections)
        sign = prompts.corrections[:, :, 2, None, None]
        # A sum of spots, not the highest: the export keeps it for any number of them.
        on, off = (
            (marks * sign.clamp_min(0)).sum(1, keepdim=True),
            (marks * (-sign).clamp_min(0)).sum(1, keepdim=True),
        )
        maps = [
            roles,
            clicked.expand(-1, 1, half, half),
            torch.tanh(box / unit),
            torch.tanh(quadrangle / unit),
            torch.tanh(quadrangle / (4 * unit)),
            on,
            off,
            functional.avg_pool2d(prompts.earlier, 2),
            prompts.earlier.abs().amax((2, 3), keepdim=True).expand(-1, 1, half, half),
        ]
        return torch.cat(maps, 1), quadrangle, box


def _depth_in_quadrangle(clicks: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(n, 1, h, w): cells to the nearest side of the clicks' quadrangle, negative beyond it."""
    top, bottom, left, right = clicks.unbind(1)
    depths = []
    for start, end in ((top, right), (right, bottom), (bottom, left), (left, top)):
        along = end - start
        along = along / (along.pow(2).sum(1, keepdim=True) + 1e-3).sqrt()
        dx, dy = x - start[:, 0].view(-1, 1, 1, 1), y - start[:, 1].view(-1, 1, 1, 1)
        depths.append(along[:, 0].view(-1, 1, 1, 1) * dy - along[:, 1].view(-1, 1, 1, 1) * dx)
    return torch.minimum(torch.minimum(depths[0], depths[1]), torch.minimum(depths[2], depths[3]))


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
