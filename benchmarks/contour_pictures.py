"""Pictures of outlines for the documentation.

    python benchmarks/contour_pictures.py photographs FOLDER                scikit-image's photos
    python benchmarks/contour_pictures.py sheet SHEET.png OBJECTS.jsonl     best, median and worst objects

Which objects are shown is decided by IoU alone, domain by domain, so that nobody picks the pretty ones.
OBJECTS.jsonl is what `benchmarks/contours.py` reads.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from benchmarks.contours import (
    Slip,
    load_image,
    load_mask,
    measure,
    prompt_of,
    read_objects,
    save_picture,
)
from benchmarks.support.overlays import overlay
from PIL import Image, ImageDraw

from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.engines import Surroundings, build_engine
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Decoded, Engine, RgbImage

# Clicks on photos that come with scikit-image: coffee is CC0, astronaut (NASA) in the public domain.
PHOTOGRAPHS = {
    "coffee": {"top": (287, 16), "bottom": (258, 387), "left": (75, 217), "right": (481, 211)},
    "astronaut": {"top": (238, 15), "bottom": (221, 188), "left": (155, 87), "right": (301, 87)},
}
ROWS = ("best", "median", "worst")
TILE, CAPTION, GAP = 200, 18, 6


def main(arguments: list[str] | None = None) -> int:
    """Draw what the command line asks for."""
    options = _parse(arguments)
    engine = build_engine(options.engine, Surroundings(compact=CompactSettings.from_mapping(os.environ)))
    engine.warm_up()
    if options.what == "photographs":
        draw_photographs(engine, options.folder)
        return 0
    rows = [row for row in read_objects(options.objects) if row.get("domain") in options.domains]
    save_picture(options.sheet, sheet(engine, options.objects.parent, rows, options.domains, options.each))
    return 0


def draw_photographs(engine: Engine, folder: Path) -> None:
    """Outlines over scikit-image's sample photos."""
    from skimage import data  # noqa: PLC0415 - only this needs the samples

    for name, clicks in PHOTOGRAPHS.items():
        image = np.asarray(getattr(data, name)())
        prompt = prompt_of(dict(clicks), Slip(), image.shape)
        outline = draw_outline(engine, Decoded(image), prompt, lambda stage: None)
        save_picture(folder / f"contours-{name}.png", overlay(image, prompt, outline.contour))


def sheet(engine: Engine, root: Path, rows: list[dict[str, Any]], domains: list[str], each: int) -> RgbImage:
    """Three lines - best, median, worst - with `each` objects of every domain; uint8 (height, width, 3)."""
    columns = each * len(domains)
    size = (columns * (TILE + GAP) + GAP, len(ROWS) * (TILE + CAPTION + GAP) + GAP)
    canvas = Image.new("RGB", size, "white")
    for place, domain in enumerate(domains):
        mine = [row for row in rows if row["domain"] == domain]
        ranked = sorted(((measure(engine, root, row, Slip(), None).iou, row) for row in mine), key=_by_iou)
        for line, chosen in enumerate(_chosen(ranked, each)):
            for column, (iou, row) in enumerate(chosen):
                x = GAP + (place * each + column) * (TILE + GAP)
                y = GAP + line * (TILE + CAPTION + GAP)
                canvas.paste(_tile(engine, root, row), (x, y + CAPTION))
                ImageDraw.Draw(canvas).text(
                    (x, y + 2), f"{ROWS[line]}, {domain}: {iou:.2f}", "black", font_size=12
                )
    return np.asarray(canvas)


def _by_iou(measured: tuple[float, dict[str, Any]]) -> float:
    return measured[0]


def _chosen(ranked: list[tuple[float, Any]], each: int) -> list[list[tuple[float, Any]]]:
    middle = max(0, len(ranked) // 2 - each // 2)
    return [ranked[-each:], ranked[middle : middle + each], ranked[:each]]


def _tile(engine: Engine, root: Path, row: dict[str, Any]) -> Image.Image:
    image, truth = load_image(root / row["image"]), load_mask(root / row["mask"])
    prompt = prompt_of(row, Slip(), truth.shape)
    outline = draw_outline(engine, Decoded(image), prompt, lambda stage: None)
    drawn = Image.fromarray(overlay(image, prompt, outline.contour, truth))
    drawn.thumbnail((TILE, TILE))
    tile = Image.new("RGB", (TILE, TILE), (235, 235, 235))
    tile.paste(drawn, ((TILE - drawn.width) // 2, (TILE - drawn.height) // 2))
    return tile


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="compact")
    what = parser.add_subparsers(dest="what", required=True)
    photographs = what.add_parser("photographs", help="outlines over scikit-image's photos")
    photographs.add_argument("folder", type=Path)
    cases = what.add_parser("sheet", help="best, median and worst objects on one picture")
    cases.add_argument("sheet", type=Path)
    cases.add_argument("objects", type=Path)
    cases.add_argument("--domains", nargs="+", default=["cats", "nuclei"], help="whose photos may be shown")
    cases.add_argument("--each", type=int, default=3, help="objects of a domain in a line")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
