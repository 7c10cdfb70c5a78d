"""Everything that decides what a training run makes, under a name."""

from dataclasses import dataclass, field, replace
from typing import Any

from fourpoint_worker.segmenter.compact.window import GridRule


@dataclass(frozen=True)
class Shape:
    """The network's size: channels and residual blocks at strides 2, 4, 8, 16; bins of a histogram."""

    widths: tuple[int, int, int, int] = (24, 48, 96, 144)
    blocks: tuple[int, int, int, int] = (1, 1, 2, 2)
    bins: int = 48


@dataclass(frozen=True)
class Mix:
    """How often a scene is what; shares of all scenes unless said otherwise.

    pasted: a real cut-out on another photo or on a made background. made: a made shape filled with a piece of
    a photo or with a made texture. The rest are real photos as they are. distractor: share of pasted and made
    scenes with another object behind the target. occluder: with one before it. cut: with the photo's edge
    through the object. small: with the object much smaller than the grid's rule would have it.
    coarse, blur, noise, jpeg: each spoils the picture that often.
    box: prompts that are boxes. jitter: scenes whose clicks are off; off_pixels, off_share: standard error
    of the worst hands, in pixels and as a share of the object. corrections: batches in which the network's
    own mistakes are corrected by points. earlier: scenes with an outline to start from.
    """

    pasted: float = 0.3
    made: float = 0.2
    distractor: float = 0.4
    occluder: float = 0.15
    cut: float = 0.1
    small: float = 0.12
    coarse: float = 0.25
    blur: float = 0.2
    noise: float = 0.3
    jpeg: float = 0.3
    box: float = 0.08
    jitter: float = 0.8
    off_pixels: float = 4.0
    off_share: float = 0.015
    corrections: float = 0.15
    earlier: float = 0.1


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    batch: scenes a step. samples: scenes of the whole run. rate: the highest learning rate; warm_up: share of
    the run in which it rises; cool_down: share in which it falls to nothing, at the end. average: share
    of the run that the exponential moving average of the weights looks back on, at most.
    domain_power: a domain of n objects is drawn in proportion to n ** domain_power.
    """

    rule: GridRule = field(default_factory=GridRule)
    shape: Shape = field(default_factory=Shape)
    mix: Mix = field(default_factory=Mix)
    batch: int = 16
    samples: int = 180_000
    rate: float = 2e-3
    decay: float = 0.02
    warm_up: float = 0.01
    cool_down: float = 0.5
    average: float = 0.02
    domain_power: float = 0.5


RECIPES = {
    # Seconds, for tests: it learns little, but it learns.
    "smoke": Recipe(
        rule=GridRule(cells=64),
        shape=Shape(widths=(8, 12, 16, 24), blocks=(1, 1, 1, 1), bins=12),
        batch=8,
        samples=800,
        rate=4e-3,
    ),
    # An hour on two cores that have nothing else to do.
    "quick": Recipe(
        rule=GridRule(cells=96),
        shape=Shape(widths=(16, 32, 64, 96), blocks=(1, 1, 2, 2), bins=32),
        samples=120_000,
        rate=3e-3,
    ),
    # Hours on two cores.
    "laptop": Recipe(),
    # Minutes on a large GPU; the longest is the better one.
    "strong": Recipe(
        rule=GridRule(cells=192),
        shape=Shape(widths=(32, 64, 128, 224), blocks=(1, 2, 3, 3), bins=64),
        mix=Mix(pasted=0.35, made=0.25),
        batch=128,
        samples=3_000_000,
        rate=3e-3,
        warm_up=0.02,
        cool_down=0.6,
    ),
}


def recipe_called(
    name: str, samples: int | None = None, batch: int | None = None, cells: int | None = None
) -> Recipe:
    """A recipe, with another length, batch or grid where given. Raises KeyError for an unknown name."""
    recipe = RECIPES[name]
    return replace(
        recipe,
        samples=samples or recipe.samples,
        batch=batch or recipe.batch,
        rule=replace(recipe.rule, cells=cells or recipe.rule.cells),
    )


def recipe_from(document: dict[str, Any]) -> Recipe:
    """The inverse of `dataclasses.asdict`."""
    size = document["shape"]
    shape = Shape(tuple(size["widths"]), tuple(size["blocks"]), size["bins"])
    parts = {"rule": GridRule(**document["rule"]), "shape": shape, "mix": Mix(**document["mix"])}
    return Recipe(**{**document, **parts})
