"""How good are the outlines? Measures an engine on objects whose masks are known.

    python benchmarks/contours.py OBJECTS.jsonl [--engine weight-free compact] [--baselines] [--json]

Several engines take turns object by object, so that their times are of one run; the model of `compact` is
FOURPOINT_COMPACT_MODEL, as in the service.

One JSON object a line: `image` and `mask` (paths beside the file), and `top`, `bottom`, `left`, `right`,
each the [x, y] index of a pixel on the object; optionally `domain`. A mask is an image of the photo's
size, non-zero on the object.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).parent.parent))

import cv2
import numpy as np
import numpy.typing as npt
from benchmarks.support.baselines import BASELINES, Baseline
from benchmarks.support.overlays import overlay
from PIL import Image

from fourpoint_core.domain.geometry import Contour, validate_contour
from fourpoint_core.domain.prompts import ROLES, ExtremePoints, Prompt
from fourpoint_core.errors import FourpointError, InvalidInputError
from fourpoint_core.imaging.upright import decode_upright
from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.engines import Surroundings, build_engine
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Decoded, Engine, RgbImage
from fourpoint_worker.segmenter.rasters import fill_rings

Mask = npt.NDArray[np.bool_]
T = TypeVar("T")

# Objects of one photo follow each other; more photos than these are never in memory.
_IMAGES_KEPT = 4
# By the shorter side of the object's box, in pixels.
SIZES = {"short side < 64": (0, 64), "64 to 192": (64, 192), "192 and more": (192, float("inf"))}


@dataclass(frozen=True)
class Slip:
    """Standard error of a click in each direction: so many pixels, and a share of the object's longer side."""

    pixels: float = 0.0
    share: float = 0.0


@dataclass(frozen=True)
class Measure:
    """What one object says about an engine; distances in image pixels, `iou` 0 where nothing was found."""

    domain: str
    iou: float
    boundary_pixels: float | None = None
    vertices: int = 0
    valid: bool = True
    confident: bool = False
    score: float | None = None
    milliseconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    short_side: float = 0.0
    problem: str | None = None


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for; 0 unless there is nothing to measure."""
    options = _parse(arguments)
    surroundings = Surroundings(compact=CompactSettings.from_mapping(os.environ))
    engines = [build_engine(name, surroundings) for name in options.engine]
    for engine in engines:
        engine.warm_up()
    wanted = [row for row in read_objects(options.objects) if _wanted(row, options.domains)]
    rows = spread(wanted, options.limit)
    root = options.images or options.objects.parent
    slip = Slip(options.jitter, options.jitter_share)
    measured: list[list[Measure]] = [[] for _ in engines]
    for row in rows:
        for engine, measures in zip(engines, measured, strict=True):
            measures.append(measure(engine, root, row, slip, options.overlay))
    report: dict[str, Any] = {"jitter": slip.pixels, "jitter_share": slip.share, "engines": []}
    for engine, measures in zip(engines, measured, strict=True):
        said = {"engine": engine.name, "model_digest": engine.model_digest}
        report["engines"].append(said | summary(measures))
    if options.baselines:
        report["baselines"] = {
            name: summary([measure_baseline(baseline, root, row, slip) for row in rows])
            for name, baseline in BASELINES.items()
        }
    print(json.dumps(report, indent=2) if options.json else as_table(report))
    return 0 if rows else 1


def _wanted(row: dict[str, Any], domains: list[str]) -> bool:
    return not domains or row.get("domain") in domains


def read_objects(path: Path) -> Iterator[dict[str, Any]]:
    """The file's objects, with the `number` of each."""
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    for number, line in enumerate(lines):
        yield {"number": number, **json.loads(line)}


def spread(rows: list[T], limit: int | None) -> list[T]:
    """`limit` of them at even distances, so that all domains appear; all where there are no more."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[index * len(rows) // limit] for index in range(limit)]


def measure(engine: Engine, root: Path, row: dict[str, Any], slip: Slip, pictures: Path | None) -> Measure:
    """Outline one object and compare; one that cannot be read or outlined counts as IoU 0."""
    domain = str(row.get("domain", "all"))
    start = time.perf_counter()
    try:
        image, truth = load_image(root / row["image"]), load_mask(root / row["mask"])
        prompt = prompt_of(row, slip, truth.shape)
        start = time.perf_counter()
        outline = draw_outline(engine, Decoded(image), prompt, lambda stage: None)
    except (FourpointError, OSError, KeyError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
        return Measure(domain, 0.0, milliseconds=_since(start), short_side=_short_side(row), problem=problem)
    milliseconds = _since(start)
    drawn = rasterise(outline.contour, truth.shape)
    iou = overlap(drawn, truth)
    if pictures is not None:
        name = f"{row['number']:05d}-{domain}-{engine.name}-{iou:.2f}.png"
        save_picture(pictures / name, overlay(image, prompt, outline.contour, truth))
    return Measure(
        domain,
        iou,
        boundary_distance(drawn, truth),
        outline.contour.vertex_count,
        is_valid(outline.contour, truth.shape),
        outline.confident,
        outline.score,
        milliseconds,
        outline.milliseconds,
        _short_side(row),
    )


def measure_baseline(baseline: Baseline, root: Path, row: dict[str, Any], slip: Slip) -> Measure:
    """The same comparison for a mask that needs no engine."""
    domain = str(row.get("domain", "all"))
    try:
        image, truth = load_image(root / row["image"]), load_mask(root / row["mask"])
        prompt = prompt_of(row, slip, truth.shape)
    except (FourpointError, OSError, KeyError, ValueError) as error:
        return Measure(domain, 0.0, short_side=_short_side(row), problem=f"{type(error).__name__}: {error}")
    start = time.perf_counter()
    drawn = baseline(image, prompt)
    milliseconds = _since(start)
    return Measure(
        domain,
        overlap(drawn, truth),
        boundary_distance(drawn, truth),
        milliseconds=milliseconds,
        short_side=_short_side(row),
    )


@functools.lru_cache(maxsize=_IMAGES_KEPT)
def load_image(path: Path) -> RgbImage:
    """Upright RGB (height, width, 3), as the service decodes it."""
    return np.asarray(decode_upright(path.read_bytes()))


def load_mask(path: Path) -> Mask:
    """True on the object, (height, width)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 0


def extent(row: dict[str, Any]) -> tuple[float, float]:
    """Width and height of the object in pixels."""
    return row["right"][0] - row["left"][0] + 1, row["bottom"][1] - row["top"][1] + 1


def _short_side(row: dict[str, Any]) -> float:
    """Of the object's box, in pixels; 0 where the row does not say."""
    return min(extent(row)) if set(ROLES) <= row.keys() else 0.0


def prompt_of(row: dict[str, Any], slip: Slip, shape: tuple[int, ...]) -> Prompt:
    """Clicks in the middles of the given pixels, each coordinate off by a normal error."""
    height, width = shape[:2]
    jitter = slip.pixels + slip.share * max(extent(row))
    # Seeded by the object: the same clicks for every engine, whatever is measured before it.
    errors = np.random.default_rng(row.get("number", 0)).normal(0, 1, (4, 2)) * jitter
    clicks = np.array([row[role] for role in ROLES], float) + 0.5 + errors
    clicks = np.clip(clicks, 0, (width, height))
    return Prompt(points=ExtremePoints(*((float(x), float(y)) for x, y in clicks)))


def rasterise(contour: Contour, shape: tuple[int, ...]) -> Mask:
    """Pixels whose centres lie inside the contour."""
    return fill_rings((ring for part in contour.parts for ring in part.rings()), shape[0], shape[1])


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union; 0 when both are empty."""
    union = int((one | other).sum())
    return float((one & other).sum()) / union if union else 0.0


def boundary_distance(drawn: Mask, truth: Mask) -> float | None:
    """Mean distance in pixels between the two borders, averaged over both directions; None for an empty one."""
    if not drawn.any() or not truth.any():
        return None
    borders = [_border(mask) for mask in (drawn, truth)]
    to_drawn, to_truth = (cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 5) for edge in borders)
    return float((to_truth[borders[0]].mean() + to_drawn[borders[1]].mean()) / 2)


def _border(mask: Mask) -> Mask:
    """Pixels of the mask beside one that is not; the image's own border counts as outside."""
    inner = cv2.erode(
        mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(mask & (inner == 0))


def is_valid(contour: Contour, shape: tuple[int, ...]) -> bool:
    """Whether the service would accept the contour as an annotation."""
    try:
        validate_contour(contour, width=shape[1], height=shape[0])
    except InvalidInputError:
        return False
    return True


def summary(measures: list[Measure]) -> dict[str, Any]:
    """Figures over all objects and per domain, and the problems met."""
    domains = sorted({one.domain for one in measures})
    return {
        "overall": figures(measures),
        "domains": {domain: figures([one for one in measures if one.domain == domain]) for domain in domains},
        "sizes": {
            name: figures([one for one in measures if low <= one.short_side < high])
            for name, (low, high) in SIZES.items()
        },
        "stages": stages(measures),
        "problems": sorted({one.problem for one in measures if one.problem}),
    }


def stages(measures: list[Measure]) -> dict[str, float]:
    """Median milliseconds of each stage that the engine tells apart."""
    names = {name: None for one in measures for name in one.stages}
    return {
        name: _rounded(statistics.median, [one.stages.get(name, 0.0) for one in measures]) for name in names
    }


def figures(measures: list[Measure]) -> dict[str, Any]:
    """Means, medians and shares of a group of objects; empty groups have zeros."""
    ious = [one.iou for one in measures]
    distances = [one.boundary_pixels for one in measures if one.boundary_pixels is not None]
    return {
        "objects": len(measures),
        "mean_iou": _rounded(statistics.fmean, ious),
        "median_iou": _rounded(statistics.median, ious),
        "boundary_pixels": _rounded(statistics.fmean, distances),
        "vertices": _rounded(statistics.median, [one.vertices for one in measures]),
        "invalid_share": _rounded(statistics.fmean, [not one.valid for one in measures]),
        "found_share": _rounded(statistics.fmean, [one.problem is None for one in measures]),
        "confident_share": _rounded(statistics.fmean, [one.confident for one in measures]),
        "score_correlation": score_correlation(measures),
        "ms_median": _rounded(statistics.median, [one.milliseconds for one in measures]),
        "ms_mean": _rounded(statistics.fmean, [one.milliseconds for one in measures]),
    }


def score_correlation(measures: list[Measure]) -> float | None:
    """Of `score` with IoU (Pearson's); None where either is always the same."""
    pairs = [(one.score, one.iou) for one in measures if one.score is not None]
    if len({score for score, _ in pairs}) < 2 or len({iou for _, iou in pairs}) < 2:
        return None
    return round(statistics.correlation(*zip(*pairs, strict=True)), 4)


def _rounded(average: Callable[[Iterable[float]], float], values: list[Any]) -> float:
    return round(float(average(values)), 4) if values else 0.0


def as_table(report: dict[str, Any]) -> str:
    """The report for a person: one line per domain, then one per baseline."""
    heading = f"{'':22}{'objects':>8}{'mean':>8}{'median':>8}{'px':>7}{'vertices':>10}{'invalid':>9}{'ms':>8}"
    slip = f"clicks off by {report['jitter']:g} px + {report['jitter_share']:.0%} of the object"
    lines = [slip]
    for one in report["engines"]:
        lines += ["", f"{one['engine']} ({one['model_digest'][:12]})", heading]
        lines += [_line(name, figure) for name, figure in (one["domains"] | one["sizes"]).items()]
        lines += [_line("overall", one["overall"])]
        lines += ["median ms: " + ", ".join(f"{name} {value:.1f}" for name, value in one["stages"].items())]
        trust = "correlation of score with IoU {score_correlation}, confident {confident_share}"
        lines += [trust.format(**one["overall"])]
        lines += [f"! {problem}" for problem in one["problems"]]
    lines += [_line(name, one["overall"]) for name, one in report.get("baselines", {}).items()]
    return "\n".join(lines)


def _line(name: str, figure: dict[str, Any]) -> str:
    return (
        f"{name:22}{figure['objects']:8d}{figure['mean_iou']:8.3f}{figure['median_iou']:8.3f}"
        f"{figure['boundary_pixels']:7.2f}{figure['vertices']:10.0f}{figure['invalid_share']:9.3f}"
        f"{figure['ms_median']:8.1f}"
    )


def save_picture(path: Path, picture: RgbImage) -> None:
    """As PNG, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, optimize=True)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", type=Path, help="JSON lines, one object each")
    parser.add_argument("--engine", nargs="+", default=["weight-free"], help="one or more, measured in turns")
    parser.add_argument("--domains", nargs="*", default=[], help="only objects of these")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--limit", type=int, help="measure about this many objects, spread over the file")
    parser.add_argument("--jitter", type=float, default=0.0, help="standard error of each click, in pixels")
    parser.add_argument("--jitter-share", type=float, default=0.0, help="the same, as a share of the object")
    parser.add_argument("--baselines", action="store_true", help="measure the usual baselines as well")
    parser.add_argument("--images", type=Path, help="folder of the paths in the file, if not the file's own")
    parser.add_argument("--overlay", type=Path, help="folder for one picture per object")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
