"""Small checkpoints on disk, and engines over them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.sam.networks import random_network, saved, seeing_network

from fourpoint_worker.segmenter.sam.checkpoints import digest_of
from fourpoint_worker.segmenter.sam.device import Device
from fourpoint_worker.segmenter.sam.engine import Options, SamEngine

MakeEngine = Callable[..., SamEngine]


@pytest.fixture(scope="session")
def seeing_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that finds what is bright."""
    return saved(seeing_network(), tmp_path_factory.mktemp("models") / "seeing.pth")


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights."""
    return saved(random_network(), tmp_path_factory.mktemp("models") / "random.pth")


@pytest.fixture
def make_engine(seeing_checkpoint: Path) -> Iterator[MakeEngine]:
    """A warm engine on the CPU; by default over the network that sees. options: of Options."""
    made: list[SamEngine] = []

    def make(
        checkpoint: Path = seeing_checkpoint, shared: Any = None, metrics: Any = None, **options: Any
    ) -> SamEngine:
        chosen = replace(Options(Device.named("cpu", "")), **options)
        engine = SamEngine(checkpoint, digest_of(checkpoint), chosen, shared=shared, metrics=metrics)
        engine.warm_up()
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()
