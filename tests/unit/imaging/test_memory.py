"""What decoding takes, it gives back."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.factories import png_chunk

from fourpoint_core.imaging.needs import bytes_to_decode

DECODE = """
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image
from fourpoint_core.imaging.inspect import inspect_image
from fourpoint_core.imaging.memory import give_freed_memory_back
from fourpoint_core.imaging.upright import thumbnail_jpeg

def resident_mebibytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20

give_freed_memory_back()
out = io.BytesIO()
Image.new("RGBA", (2000, 2000), (10, 20, 30, 128)).save(out, "PNG")
thumbnail_jpeg(out.getvalue()[:], 64)
before = resident_mebibytes()
with ThreadPoolExecutor(4) as pool:
    for _ in range(2):
        list(pool.map(lambda _: inspect_image(out.getvalue(), 10**8), range(4)))
        list(pool.map(lambda _: thumbnail_jpeg(out.getvalue(), 256), range(4)))
    print(resident_mebibytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc, and mends glibc")
def test_threads_that_decoded_images_hold_none_of_their_memory() -> None:
    done = subprocess.run([sys.executable, "-c", DECODE], capture_output=True, text=True, check=True)
    # One image of that size is 15 MiB; unmended, some ten of them stay behind.
    assert float(done.stdout) < 15


LOOK = """
import io, sys
from pathlib import Path
from PIL import Image
from fourpoint_core.imaging.inspect import open_image
from fourpoint_core.imaging.memory import give_freed_memory_back
from fourpoint_core.imaging.scaling import decode_scaled
from fourpoint_core.imaging.upright import decode_upright

def mebibytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 2**10

give_freed_memory_back()
data = Path(sys.argv[1]).read_bytes()
before = mebibytes("VmRSS")
if sys.argv[2] == "scaled":
    assert max(decode_scaled(data, 1024).size) == 1024
else:
    decode_upright(data)
print(mebibytes("VmHWM") - before)
"""
SIDE = 10_000
MEGAPIXELS = SIDE * SIDE / 1e6
STRIPS_MEBIBYTES = 80


def png_of(side: int, depth: int, colour_type: int, bytes_a_pixel: int) -> bytes:
    """All of one colour, lying on its side; written line by line, as it would not fit otherwise either."""
    packer, parts = zlib.compressobj(1), []
    line = b"\0" + bytes([90, 120, 30, 10, 50, 70, 20, 200][:bytes_a_pixel]) * side
    parts = [packer.compress(line) for _ in range(side)] + [packer.flush()]
    exif = Image.Exif()
    exif[0x0112] = 6
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour_type, 0, 0, 0))
    turned = png_chunk(b"eXIf", exif.tobytes()[6:])
    return b"\x89PNG\r\n\x1a\n" + head + turned + png_chunk(b"IDAT", b"".join(parts)) + png_chunk(b"IEND", b"")


def jpeg_of(side: int, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 30)).save(out, "JPEG", **options)
    return out.getvalue()


def in_one_scan_a_component(jpeg: bytes) -> bytes:
    """The header of a JPEG whose components lie one behind the other; there are no pixels to speak of."""
    start = jpeg.index(b"\xff\xda")
    return jpeg[:start] + bytes.fromhex("ffda 0008 01 0100 003f00") + jpeg[start + 14 :]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(
    ("make", "how", "bytes_a_pixel"),
    [
        pytest.param(lambda: jpeg_of(SIDE), "scaled", 0.6, id="a JPEG, scaled"),
        pytest.param(lambda: jpeg_of(SIDE), "whole", 6, id="a JPEG, whole"),
        pytest.param(lambda: png_of(SIDE, 8, 6, 4), "scaled", 6, id="a PNG with alpha, scaled"),
    ],
)
def test_a_hundred_megapixels_cost_no_more_than_they_must(
    make: Callable[[], bytes], how: str, bytes_a_pixel: float, tmp_path: Path
) -> None:
    """Pillow holds four bytes a pixel of what it decodes; strips and a few megabytes come on top."""
    data = make()
    peak = peak_mebibytes(data, how, tmp_path)
    assert peak < MEGAPIXELS * bytes_a_pixel
    assert peak < expected_mebibytes(data, how) + STRIPS_MEBIBYTES


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(
    ("make", "how", "bytes_a_pixel"),
    [
        # Both bytes of each channel, and the eight bits that come of them.
        pytest.param(lambda: png_of(SIDE // 2, 16, 6, 8), "scaled", 16, id="16 bits and alpha, scaled"),
        pytest.param(lambda: png_of(SIDE // 2, 16, 6, 8), "whole", 16, id="16 bits and alpha, whole"),
        pytest.param(lambda: png_of(SIDE // 2, 8, 6, 4), "whole", 12, id="alpha and on its side, whole"),
        # What is read in several passes has all of its coefficients in memory, however small it is decoded.
        pytest.param(lambda: jpeg_of(SIDE // 2, progressive=True), "scaled", 3.3, id="a progressive JPEG"),
        pytest.param(
            lambda: jpeg_of(SIDE // 2, progressive=True, subsampling=0),
            "scaled",
            6.3,
            id="a progressive JPEG in full colour",
        ),
    ],
)
def test_images_of_other_kinds_cost_what_their_headers_say(
    make: Callable[[], bytes], how: str, bytes_a_pixel: float, tmp_path: Path
) -> None:
    """25 megapixels, for time's sake."""
    data = make()
    expected = expected_mebibytes(data, how)
    assert expected == pytest.approx(MEGAPIXELS / 4 * bytes_a_pixel, rel=0.1)
    assert peak_mebibytes(data, how, tmp_path) < expected + STRIPS_MEBIBYTES


def test_a_jpeg_in_several_scans_counts_as_a_progressive_one() -> None:
    whole, apart = jpeg_of(512), in_one_scan_a_component(jpeg_of(512))
    assert bytes_to_decode(apart) - bytes_to_decode(whole) == 512 * 512 * 3


def expected_mebibytes(data: bytes, how: str) -> float:
    """What the header says that looking at a file costs."""
    return bytes_to_decode(data, 1024 if how == "scaled" else None) / 2**20


def peak_mebibytes(data: bytes, how: str, directory: Path) -> float:
    """What looking at a file costs at most, in a process of its own."""
    (directory / "image").write_bytes(data)
    command = [sys.executable, "-c", LOOK, str(directory / "image"), how]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
