"""Objects to write and to read back."""

from typing import Any

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import Contour, Part, Ring
from fourpoint_worker.formats.values import ExportedImage, ExportedObject, ExportLabel

CUP = ExportLabel("cup", "#3399ff", 1)
PLATE = ExportLabel("plate", "#ff0000", 3)


def square(x: float, y: float, side: float) -> Ring:
    return ((x, y), (x + side, y), (x + side, y + side), (x, y + side))


def contour(*parts: Part) -> Contour:
    return Contour(parts)


BLOCK = contour(Part(square(10.5, 10.5, 20)))
RING = contour(Part(square(40.5, 10.5, 30), (square(50.5, 20.5, 10),)))
PAIR = contour(Part(square(5.5, 60.5, 10)), Part(square(25.5, 60.5, 10)))
FINE = contour(Part(((60.25, 60.125), (80.75, 62.5), (70.0, 85.3))))


def thing(shape: Contour, label: ExportLabel = CUP, number: int = 1, **traits: Any) -> ExportedObject:
    return ExportedObject(f"00000000-0000-7000-8000-{number:012d}", label, shape, Traits(**traits))


def picture(*objects: ExportedObject, path: str = "shelf/one.jpg", **more: Any) -> ExportedImage:
    return ExportedImage(
        id="00000000-0000-7000-8000-00000000000a",
        path=path,
        width=100,
        height=90,
        objects=objects,
        location=f"s3://bucket/in/{path}",
        digest="ab" * 32,
        size_bytes=1234,
        labeled_at="2026-01-02 03:04:05",
        **more,
    )
