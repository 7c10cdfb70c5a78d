"""Random numbers of one step: the same for the same seed and step, on any resumption."""

import torch
from torch import Tensor


class Chance:
    """Draws tensors on one device from a generator of its own."""

    def __init__(self, seed: int, step: int, device: torch.device):
        self.device = device
        # Neighbouring seeds and steps must not share streams.
        self._generator = torch.Generator(device).manual_seed((seed * 1_000_003 + step) * 2_654_435_761 % 2**63)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Evenly between `low` and `high`."""
        return torch.rand(shape, generator=self._generator, device=self.device) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        return torch.randn(shape, generator=self._generator, device=self.device)

    def happens(self, share: float, count: int) -> Tensor:
        """bool (count,), each true with probability `share`."""
        return self.uniform(0, 1, count) < share

    def pick(self, weights: Tensor, count: int) -> Tensor:
        """Indices in proportion to `weights`; (count,), or (rows, count) for rows of weights."""
        return torch.multinomial(weights, count, replacement=True, generator=self._generator)

    def integers(self, below: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to `below` - 1."""
        return torch.randint(below, shape, generator=self._generator, device=self.device)
