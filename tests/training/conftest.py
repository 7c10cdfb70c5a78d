"""A few drawn objects in the form that real ones are given in."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from fourpoint_training.objects import Bank, build_bank, read_rows

# So little work is slower when it is shared out.
torch.set_num_threads(1)


def drawn_objects(folder: Path, domain: str, count: int, seed: int) -> Path:
    """`count` ellipses with a bite taken out, each on a photo of its own."""
    (folder / "images").mkdir(parents=True)
    chance = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        mask = np.zeros((90, 110), np.uint8)
        middle = tuple(int(v) for v in chance.integers(40, 60, 2))
        cv2.ellipse(mask, middle, tuple(int(v) for v in chance.integers(15, 32, 2)), 30, 0, 360, 255, -1)
        cv2.circle(mask, (middle[0] + 12, middle[1] + 8), 9, 0, -1)
        colours = chance.integers(0, 255, (2, 3))
        photo = np.where(mask[:, :, None] > 0, colours[0], colours[1]) + chance.normal(0, 9, (90, 110, 3))
        names = {"image": f"images/{number}.png", "mask": f"images/{number}-mask.png"}
        cv2.imwrite(str(folder / names["image"]), photo.clip(0, 255).astype(np.uint8))
        cv2.imwrite(str(folder / names["mask"]), mask)
        y, x = np.nonzero(mask)
        ends = {"top": y.argmin(), "bottom": y.argmax(), "left": x.argmin(), "right": x.argmax()}
        clicks = {role: [int(x[index]), int(y[index])] for role, index in ends.items()}
        rows.append({**names, **clicks, "domain": domain, "width": 110, "height": 90})
    (folder / "objects.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_objects(tmp_path_factory.mktemp("objects") / "train", "bites", 24, seed=1)


@pytest.fixture(scope="session")
def bank(folder: Path) -> Bank:
    return build_bank(read_rows([folder]), 96)
