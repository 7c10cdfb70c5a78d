"""Decoders in processes apart: what breaks one costs the image that it was given, and nothing else."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.factories import image_bytes
from tests.unit.imaging.test_memory import png_of

from fourpoint_core.errors import DamagedImageError, TooManyPixelsError, UnsupportedImageError
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.imaging.inspect import header_of, inspect_image
from fourpoint_core.imaging.upright import thumbnail_jpeg

MEBIBYTE = 2**20
# A decoder with bugs: what it is told to do by the image, the others do by accident.
BUGGY = """
import ctypes, sys, time
from fourpoint_core.imaging import decoding_child, inspect

def buggy(data, max_pixels):
    if data == b"segfault":
        ctypes.string_at(0)
    if data == b"hang":
        time.sleep(600)
    if data == b"lie":
        return inspect.ImageFacts("image/svg+xml", -1, 10)
    return inspect.ImageFacts("image/png", 3, 2)

inspect.inspect_image = buggy
decoding_child.main(sys.argv[1:])
"""


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    made = Decoder(1, 256 * MEBIBYTE, 60)
    yield made
    made.close()


@pytest.fixture
def buggy() -> Iterator[Decoder]:
    """Of three seconds' patience."""
    made = Decoder(1, 256 * MEBIBYTE, 3, (sys.executable, "-c", BUGGY))
    yield made
    made.close()


def children() -> set[str]:
    found = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return set(found.read_text().split())


def test_a_decoder_answers_as_the_functions_do(decoder: Decoder) -> None:
    data = image_bytes()
    assert decoder.facts(data, 10**8) == inspect_image(data, 10**8)
    assert decoder.header(data) == header_of(data)
    assert decoder.thumbnail(data, 32) == thumbnail_jpeg(data, 32)


def test_a_decoder_refuses_as_the_functions_do(decoder: Decoder) -> None:
    with pytest.raises(UnsupportedImageError, match="no JPEG, PNG or BMP"):
        decoder.facts(b"GIF89a", 10**8)
    with pytest.raises(TooManyPixelsError):
        decoder.facts(image_bytes(), 10)
    with pytest.raises(DamagedImageError, match="truncated or damaged"):
        decoder.facts(image_bytes()[:-20], 10**8)


@pytest.mark.parametrize(
    ("image", "why"), [(b"segfault", "broke down"), (b"hang", "more than 3 seconds"), (b"lie", "contradicts")]
)
def test_what_breaks_a_decoder_is_refused_and_the_next_image_is_decoded(
    buggy: Decoder, image: bytes, why: str
) -> None:
    assert buggy.facts(b"good", 10**8).width == 3
    with pytest.raises(DamagedImageError, match=f"could not be decoded: .*{why}"):
        buggy.facts(image, 10**8)
    assert buggy.facts(b"good", 10**8).width == 3


def test_a_decoder_dies_of_a_segmentation_fault(buggy: Decoder, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DamagedImageError):
        buggy.facts(b"segfault", 10**8)
    assert [record.__dict__["status"] for record in caplog.records] == [-signal.SIGSEGV]


def test_an_image_that_unpacks_to_more_than_the_memory_is_refused(decoder: Decoder) -> None:
    """A hundred megapixels are 400 MB, of a file of half a megabyte."""
    with pytest.raises(DamagedImageError, match="more than 256 MiB of memory"):
        decoder.facts(png_of(10_000, 8, 6, 4), 10**8)
    assert decoder.facts(image_bytes(), 10**8).media_type == "image/png"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_decoder_that_was_killed_meanwhile_costs_no_image(decoder: Decoder) -> None:
    before = children()
    decoder.facts(image_bytes(), 10**8)
    (started,) = children() - before
    os.kill(int(started), signal.SIGKILL)
    os.waitid(os.P_PID, int(started), os.WEXITED | os.WNOWAIT)
    assert decoder.facts(image_bytes(), 10**8).media_type == "image/png"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_decoder_knows_no_secret_and_outlives_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOURPOINT_SECRET_KEY", "a-secret-of-ours")
    before = children()
    pool = Decoder(1, 256 * MEBIBYTE, 60)
    pool.facts(image_bytes(), 10**8)
    (started,) = children() - before
    assert b"a-secret-of-ours" not in Path(f"/proc/{started}/environ").read_bytes()
    pool.close()
    assert children() == before


def test_no_process_is_started_before_it_is_needed() -> None:
    with pytest.raises(RuntimeError, match="does not start"):
        Decoder(1, 256 * MEBIBYTE, 1, (sys.executable, "-c", "")).facts(b"", 1)
    Decoder(1, 256 * MEBIBYTE, 1, (sys.executable, "-c", "")).close()
