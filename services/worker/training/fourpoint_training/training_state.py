"""All that a run needs to go on where it stopped, in one file that is never half written."""

import copy
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fourpoint_training.network import CompactNet
from fourpoint_training.recipes import Recipe, recipe_from


class TrainingState:
    """Network, its moving average, optimiser and how many scenes were seen."""

    def __init__(self, recipe: Recipe, seed: int, device: torch.device):
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device = recipe, seed, device
        self.network = CompactNet(recipe).to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.samples = 0
        self.step = 0
        self.data_digest: str | None = None
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}],
            lr=recipe.rate,
            betas=(0.9, 0.98),
        )

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        return self.samples / self.recipe.samples

    def rate(self) -> float:
        """The learning rate: up, level, and down a half cosine to nothing."""
        recipe, done = self.recipe, self.progress
        rising = min(1.0, (done + 1e-9) / recipe.warm_up)
        falling = max(0.0, (done - (1 - recipe.cool_down)) / recipe.cool_down)
        return recipe.rate * rising * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * min(1.0, falling))))

    def stepped(self) -> None:
        """After an optimiser's step: count it, and move the average."""
        self.step += 1
        self.samples += self.recipe.batch
        horizon = max(1.0, self.recipe.average * self.recipe.samples / self.recipe.batch)
        # Early on the average is of what there is, not of the first random weights.
        keep = min(1 - 1 / horizon, self.step / (self.step + 10))
        move_towards(self.average, self.network, keep)

    def save(self, path: Path) -> None:
        """Write beside, then rename."""
        whole: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "samples": self.samples,
            "step": self.step,
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "data_digest": self.data_digest,
        }
        beside = path.with_suffix(".new")
        torch.save(whole, beside)
        beside.replace(path)

    def load(self, path: Path) -> None:
        """Go on from `path`. Raises ValueError where it holds another run; only its length may be another."""
        whole = torch.load(path, map_location=self.device, weights_only=True)
        theirs = recipe_from(whole["recipe"])
        if (theirs.rule, theirs.shape) != (self.recipe.rule, self.recipe.shape):
            raise ValueError(f"{path} holds a network of another shape: {theirs.rule}, {theirs.shape}")
        if (replace(theirs, samples=self.recipe.samples), whole["seed"]) != (self.recipe, self.seed):
            raise ValueError(f"{path} holds a run of another recipe or seed: {theirs}, seed {whole['seed']}")
        self.network.load_state_dict(whole["network"])
        self.average.load_state_dict(whole["average"])
        self.optimiser.load_state_dict(whole["optimiser"])
        self.samples, self.step = whole["samples"], whole["step"]
        self.data_digest = whole["data_digest"]

    def learn_only_from(self, data_digest: str) -> None:
        """Hold on to the data that the run began with. Raises ValueError for any other."""
        if self.data_digest not in (None, data_digest):
            raise ValueError("the run has begun with other objects; give another one another folder")
        self.data_digest = data_digest

    def start_from(self, path: Path) -> None:
        """Take the averaged weights of another run, whose grid may be another. Raises ValueError as `load`."""
        network, theirs = load_average(path, self.device)
        if theirs.shape != self.recipe.shape:
            raise ValueError(f"{path} holds a network of another shape: {theirs.shape}")
        self.network.load_state_dict(network.state_dict())
        self.average.load_state_dict(network.state_dict())


@torch.no_grad()
def move_towards(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Weights and statistics of `average` keep that share of themselves."""
    new = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.mul_(keep).add_(new[name], alpha=1 - keep)
        else:
            value.copy_(new[name])


def load_average(path: Path, device: torch.device) -> tuple[CompactNet, Recipe]:
    """The averaged network of a run, ready to answer, and its recipe."""
    whole = torch.load(path, map_location=device, weights_only=True)
    recipe = recipe_from(whole["recipe"])
    network = CompactNet(recipe)
    network.load_state_dict(whole["average"])
    return network.to(device).eval(), recipe
