"""What it costs to have an image looked at in a process apart: each file by both ways in turn, in one run.

Usage: python benchmarks/decoding.py [--times 200]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where `click.py` would hide the library of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import io
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

from benchmarks.support.figures import percentiles
from PIL import Image

from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.imaging.inspect import inspect_image
from fourpoint_core.imaging.memory import give_freed_memory_back

MAX_PIXELS = 100_000_000
SIZES = ((640, 480), (1920, 1080), (4000, 3000))


def main() -> None:
    """Print milliseconds of both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    # As every process of the API did that decoded images itself.
    give_freed_memory_back()
    with closing(Decoder(1, 2560 * 2**20, 20)) as decoder:
        begun = time.perf_counter()
        decoder.facts(photo((64, 64)), MAX_PIXELS)
        print(f"first image, with the start of the process: {(time.perf_counter() - begun) * 1000:.0f} ms")
        for size in SIZES:
            data = photo(size)
            ways = [partial(inspect_image, data, MAX_PIXELS), partial(decoder.facts, data, MAX_PIXELS)]
            here, apart = in_turn(ways, times)
            print(f"{size[0]} x {size[1]}, {len(data) / 1e6:.2f} MB: median and 95th percentile in ms", end="")
            print(f" in the process itself {here}, apart {apart}")


def photo(size: tuple[int, int]) -> bytes:
    """A JPEG that packs about as badly as a photograph."""
    out = io.BytesIO()
    grain = Image.effect_noise(size, 30)
    Image.merge("RGB", (grain, grain, Image.linear_gradient("L").resize(size))).save(out, "JPEG", quality=80)
    return out.getvalue()


def in_turn(ways: list[Callable[[], object]], times: int) -> list[tuple[float, float]]:
    """Median and 95th percentile of each, in milliseconds; what slows the machine down meets both."""
    found: list[list[float]] = [[] for _ in ways]
    for _ in range(times):
        for way, taken in zip(ways, found, strict=True):
            begun = time.perf_counter()
            way()
            taken.append((time.perf_counter() - begun) * 1000)
    return [percentiles(taken) for taken in found]


if __name__ == "__main__":
    main()
