"""Facts from headers: those of the whole file, from a small part of it."""

import struct
import zlib

import pytest
from PIL import Image
from tests.factories import bomb_png, image_bytes, picture, png_chunk, sideways_jpeg

from fourpoint_core.errors import DamagedImageError, TooManyPixelsError, UnsupportedImageError
from fourpoint_core.imaging.header import FIRST_BYTES, read_facts
from fourpoint_core.imaging.inspect import ImageFacts, inspect_image

PIXELS = 10**8


class File:
    """A file in ranges, and what was read of it."""

    def __init__(self, data: bytes):
        self.data = data
        self.read_bytes = 0

    def read(self, start: int, length: int) -> bytes:
        piece = self.data[start : start + length]
        self.read_bytes += len(piece)
        return piece

    def facts(self) -> ImageFacts:
        return read_facts(self.read, len(self.data), PIXELS)


def noise(mode: str = "RGB", size: tuple[int, int] = (600, 500)) -> Image.Image:
    """An image that no format packs into a header's size."""
    return Image.merge(mode, [Image.effect_noise(size, 90) for _ in mode]) if mode == "RGB" else picture(mode)


def exif_chunk(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))


def png_with(chunk: bytes, *, behind: bool) -> bytes:
    plain = image_bytes("PNG", noise())
    place = len(plain) - 12 if behind else 33
    return plain[:place] + chunk + plain[place:]


def jpeg_with_app_segments(count: int) -> bytes:
    """A JPEG whose size and orientation stand behind so many segments of 64 KB."""
    data = sideways_jpeg(6, size=(600, 400))
    segment = b"\xff\xe2\xff\xff" + bytes(65533)
    return data[:2] + segment * count + data[2:]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_the_facts_are_those_of_the_whole_file(kind):
    file = File(image_bytes(kind, noise()))
    assert file.facts() == inspect_image(file.data, PIXELS)
    assert file.read_bytes < len(file.data) / 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_as_wide_as_it_is_seen(orientation):
    data = sideways_jpeg(orientation, size=(600, 400))
    assert File(data).facts() == inspect_image(data, PIXELS)


@pytest.mark.parametrize("behind", [False, True])
def test_a_png_says_before_or_behind_its_pixels_how_it_is_turned(behind):
    file = File(png_with(exif_chunk(6), behind=behind))
    assert file.facts() == inspect_image(file.data, PIXELS)
    assert (file.facts().width, file.facts().height) == (500, 600)


def test_a_sum_that_is_wrong_makes_no_orientation():
    broken = exif_chunk(6)[:-1] + b"\0"
    assert File(png_with(broken, behind=True)).facts().width == 600


@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_header_that_is_long_is_read_to_its_end(count):
    file = File(jpeg_with_app_segments(count))
    assert (file.facts().width, file.facts().height) == (400, 600)


def test_an_ordinary_header_is_one_read():
    file = File(image_bytes("JPEG", noise(), quality=95))
    file.facts()
    assert file.read_bytes == FIRST_BYTES < len(file.data)


def test_no_pixel_is_unpacked():
    with pytest.raises(TooManyPixelsError):
        File(bomb_png()).facts()


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(100), b"<html>", bytes(FIRST_BYTES * 2)])
def test_what_is_no_image_is_told_from_its_first_bytes(data):
    file = File(data)
    with pytest.raises(UnsupportedImageError):
        file.facts()
    assert file.read_bytes <= FIRST_BYTES


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("length", [10, 20, 25])
def test_what_ends_within_its_header_is_damaged(kind, length):
    with pytest.raises(DamagedImageError):
        File(image_bytes(kind, noise())[:length]).facts()


def test_a_png_without_its_end_is_damaged():
    with pytest.raises(DamagedImageError):
        File(image_bytes("PNG", noise())[:-30]).facts()


def test_text_that_unpacks_to_too_much_costs_nobody_their_picture():
    bomb = png_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(80 * 2**20)))
    file = File(png_with(bomb, behind=False))
    assert file.facts().width == 600


def test_a_size_of_nothing_is_damaged():
    data = image_bytes("PNG", noise())
    header = png_chunk(b"IHDR", struct.pack(">II", 0, 5) + data[24:29])
    with pytest.raises(DamagedImageError):
        File(data[:8] + header + data[33:]).facts()
