"""A dataset with one of everything, its export in a directory, and readers that nobody here wrote."""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from redis import Redis
from tests.integration.worker.exports import contents, draw, export
from tests.integration.worker.scenes import SIDE, Scene, png

from fourpoint_core.domain.geometry import Contour, Part, Ring
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.session import Sessions

REPOSITORY = Path(__file__).resolve().parents[3]
PYTHON = REPOSITORY / ".venv-formats" / "bin" / "python"
PROGRAMS = Path(__file__).parent / "programs"

Export = Callable[..., Path]
Judge = Callable[..., list[dict[str, Any]]]


@dataclass(frozen=True)
class Saved:
    """One object of the dataset."""

    image: str
    label: str
    contour: Contour
    traits: dict[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The image's path without its extension."""
        return self.image.removesuffix(".png")

    @property
    def shape(self) -> shapely.MultiPolygon:
        """The area, as GEOS has it."""
        return shapely.MultiPolygon([(part.outer, part.holes) for part in self.contour.parts])

    @property
    def mask(self) -> np.ndarray[Any, Any]:
        """The pixels whose centres it covers, asked of GEOS one by one."""
        centres = np.arange(SIDE) + 0.5
        return shapely.contains_xy(self.shape, *np.meshgrid(centres, centres))

    @property
    def rings(self) -> list[list[float]]:
        """The outer rings, x and y by turns."""
        return [[value for vertex in part.outer for value in vertex] for part in self.contour.parts]


def block(x: float, y: float, width: float, height: float) -> Ring:
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


# No side runs through the centre of a pixel: whose that is, tools have views of their own.
BLOCK = Contour((Part(block(2.25, 2.25, 8, 10)),))
CONCAVE = Contour((Part(((20.25, 20.125), (38.75, 22.5), (30.0, 30.375), (35.625, 38.125), (22.25, 36.75))),))
HOLLOW = Contour((Part(block(12.25, 2.25, 18, 18), (tuple(reversed(block(16.25, 6.25, 8, 8))),)),))
PAIR = Contour((Part(block(2.25, 25.25, 8, 10)), Part(((15.25, 25.375), (22.375, 25.125), (20.75, 35.625)))))

GALLERY = (
    Saved("a.png", "cup", BLOCK),
    Saved("a.png", "plate", CONCAVE, {"attributes": {"colour": "dark red", "count": 3}, "difficult": True}),
    Saved("b.png", "plate", HOLLOW, {"occluded": True}),
    Saved("b.png", "cup", PAIR, {"truncated": True}),
    Saved("shelf/c.png", "cup", CONCAVE),
)
WITHOUT_OBJECTS = "d.png"


@pytest.fixture
def scene(sessions: Sessions, object_store: ObjectStore, redis: Redis) -> Scene:
    """An empty dataset."""
    return Scene(sessions, object_store, redis)


@pytest.fixture
def exported(scene: Scene, tmp_path: Path) -> Export:
    """Save objects, export them as a worker does, and unpack the archive; where it is."""

    def export_to(format_name: str, gallery: Sequence[Saved] = GALLERY, **how: Any) -> Path:
        names = dict.fromkeys([*(each.image for each in gallery), WITHOUT_OBJECTS])
        samples = {name: scene.sample(png((number, 0, 0)), name) for number, name in enumerate(names)}
        for each in gallery:
            draw(scene, samples[each.image], each.label, each.contour, **each.traits)
        _, made = export(scene, format_name, with_images=True, **how)
        for path, data in contents(scene, made).items():
            file = tmp_path / "tree" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return tmp_path / "tree"

    return export_to


@pytest.fixture
def judge() -> Judge:
    """Run a program of `programs/` in the judges' environment; what it saw."""

    def asked(program: str, *arguments: str | Path) -> list[dict[str, Any]]:
        assert PYTHON.exists(), "the judges have an environment of their own: make test-formats"
        command = [PYTHON, PROGRAMS / f"{program}.py", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    return asked
