"""Real objects with masks, read from any `objects.jsonl`, as crops of one size in memory."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

cv2.setNumThreads(1)

# Context around the object's box, as a share of its longer side; photos with less have less.
CONTEXT = 0.35
HULL_POINTS = 32


@dataclass(frozen=True)
class Bank:
    """Objects as tensors, on the device that trains.

    photos: uint8 (n, 4, side, side): RGB and the mask (0 or 255), in the top-left corner. sizes: float
    (n, 2), width and height of what is filled. hulls: float (n, HULL_POINTS, 2), the mask's convex hull,
    continuous coordinates. domains: a name for each. digest: of all rows, in their order.
    """

    photos: Tensor
    sizes: Tensor
    hulls: Tensor
    domains: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.domains)

    def to(self, device: torch.device) -> "Bank":
        """The same on `device`."""
        return Bank(
            self.photos.to(device), self.sizes.to(device), self.hulls.to(device), self.domains, self.digest
        )

    def draw_weights(self, power: float) -> Tensor:
        """How often each object is drawn, so that a domain of n is drawn in proportion to n ** power."""
        count = Counter(self.domains)
        return torch.tensor([count[name] ** (power - 1) for name in self.domains], dtype=torch.float32)


def read_rows(folders: Iterable[Path], without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Rows of the folders' `objects.jsonl`, with `root` added; the domain is `all` where a row names none."""
    rows = [
        {"root": folder, "domain": "all", **json.loads(line)}
        for folder in folders
        for line in (folder / "objects.jsonl").read_text().splitlines()
        if line.strip()
    ]
    return [row for row in rows if row["domain"] not in without]


def build_bank(rows: Sequence[dict[str, Any]], side: int) -> Bank:
    """Crop each object with its context and shrink it to `side`, never enlarging.

    Raises OSError for a file that cannot be read, ValueError for a mask that shows nothing or fits no photo.
    """
    if not rows:
        raise ValueError("there are no objects to learn from")
    photos = np.zeros((len(rows), 4, side, side), np.uint8)
    sizes, hulls = np.zeros((len(rows), 2), np.float32), np.zeros((len(rows), HULL_POINTS, 2), np.float32)
    said = hashlib.sha256()
    for index, row in enumerate(rows):
        rgb, mask = _crop(row, side)
        height, width = mask.shape
        photos[index, :3, :height, :width] = rgb.transpose(2, 0, 1)
        photos[index, 3, :height, :width] = mask
        sizes[index] = width, height
        # What is thinner than a pixel once it has been shrunk is where it was seen at all.
        hulls[index] = hull_of(mask >= min(128, mask.max()))
        said.update(json.dumps({key: row[key] for key in sorted(row) if key != "root"}).encode())
    domains = tuple(str(row["domain"]) for row in rows)
    return Bank(
        torch.from_numpy(photos), torch.from_numpy(sizes), torch.from_numpy(hulls), domains, said.hexdigest()
    )


def hull_of(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """HULL_POINTS vertices whose extent in every direction is the mask's, but for a fraction of a pixel."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        raise ValueError("a mask is empty")
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    pixels = np.stack([columns, rows], 1).astype(np.float32)
    hull = cv2.convexHull((pixels[:, None] + corners).reshape(-1, 2))[:, 0]
    angles = np.arange(HULL_POINTS) * (2 * np.pi / HULL_POINTS)
    reach = hull @ np.stack([np.cos(angles), np.sin(angles)])
    return np.asarray(hull[reach.argmax(0)], np.float32)


def _crop(row: dict[str, Any], side: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """RGB (h, w, 3) and mask (h, w) of 0 and 255, h and w at most `side`."""
    root = Path(row["root"])
    photo, mask = cv2.imread(str(root / row["image"])), cv2.imread(str(root / row["mask"]), 0)
    if photo is None or mask is None:
        raise OSError(f"{root / row['image']} or its mask cannot be read")
    if photo.shape[:2] != mask.shape or not mask.any():
        raise ValueError(f"{root / row['mask']} shows nothing, or is of another size than its photo")
    x0, x1, y0, y1 = row["left"][0], row["right"][0] + 1, row["top"][1], row["bottom"][1] + 1
    reach = round(CONTEXT * max(x1 - x0, y1 - y0)) + 2
    there = np.s_[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach]
    rgb, inside = cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)[there], (mask[there] > 0).astype(np.uint8) * 255
    height, width = inside.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return (
        np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8),
        np.asarray(cv2.resize(inside, size, interpolation=cv2.INTER_AREA), np.uint8),
    )
