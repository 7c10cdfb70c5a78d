"""What a file is, found out from its bytes."""

import contextlib
import struct
import threading
import zlib

import pytest
from PIL import Image
from tests.factories import DAMAGED_PALETTES, bomb_png, image_bytes, picture, png_chunk, sideways_jpeg

from fourpoint_core.errors import DamagedImageError, TooManyPixelsError, UnsupportedImageError
from fourpoint_core.imaging.inspect import ImageFacts, decoding, inspect_image

MANY = 10**8


def with_transparent_tone(kind: str) -> bytes:
    """A PNG of 16 or 8 bits a channel with one tone that is transparent."""
    depth, colour, channels = {"L": (8, 0, 1), "RGB": (16, 2, 3), "I;16": (16, 0, 1)}[kind]
    row = b"\0" + bytes(4 * channels * depth // 8)
    chunks = [
        png_chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, depth, colour, 0, 0, 0)),
        png_chunk(b"tRNS", b"\x12\x34" * channels),
        png_chunk(b"IDAT", zlib.compress(row * 4)),
        png_chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("JPEG", "image/jpeg"), ("MPO", "image/jpeg"), ("PNG", "image/png"), ("BMP", "image/bmp")],
)
def test_the_media_type_is_that_of_the_content(kind: str, media_type: str) -> None:
    assert inspect_image(image_bytes(kind), MANY) == ImageFacts(media_type, 100, 80)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "ICO", "PPM", "TGA"])
def test_other_formats_are_not_supported(kind: str) -> None:
    with pytest.raises(UnsupportedImageError):
        inspect_image(image_bytes(kind, picture("P" if kind == "GIF" else "RGB")), MANY)


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", b"<svg/>", b"%PDF-1.7"])
def test_what_is_no_image_is_not_supported(data: bytes) -> None:
    with pytest.raises(UnsupportedImageError):
        inspect_image(data, MANY)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
def test_an_image_cut_anywhere_is_damaged(kind: str, share: float) -> None:
    data = image_bytes(kind, picture().effect_spread(30))
    with pytest.raises(DamagedImageError):
        inspect_image(data[: int(len(data) * share)], MANY)


def test_a_png_without_its_last_chunk_is_damaged() -> None:
    with pytest.raises(DamagedImageError):
        inspect_image(image_bytes("PNG")[:-12], MANY)


@pytest.mark.parametrize("data", DAMAGED_PALETTES.values(), ids=DAMAGED_PALETTES)
def test_a_palette_that_gives_no_colours_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedImageError):
        inspect_image(data, MANY)


@pytest.mark.parametrize(
    "image",
    [picture("P"), picture("1"), picture("L"), picture("P").quantize(2)],
    ids=["palette", "two tones", "grey", "two colours"],
)
@pytest.mark.parametrize("options", [{}, {"transparency": 0}], ids=["opaque", "transparent"])
def test_a_whole_palette_is_none(image: Image.Image, options: dict[str, int]) -> None:
    assert inspect_image(image_bytes("PNG", image, **options), MANY).media_type == "image/png"


@pytest.mark.parametrize("kind", ["L", "RGB", "I;16"])
def test_a_transparent_tone_of_16_bits_is_none(kind: str) -> None:
    assert inspect_image(with_transparent_tone(kind), MANY).width == 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_no_cut_is_anything_but_damaged_or_whole(kind: str) -> None:
    data = image_bytes(kind, picture(size=(20, 10)))
    for length in range(4, len(data)):
        with contextlib.suppress(DamagedImageError):
            assert inspect_image(data[:length], MANY).width == 20


def test_a_bomb_is_refused_by_its_header() -> None:
    data = bomb_png()
    assert len(data) < 5000
    with pytest.raises(TooManyPixelsError, match="60000 x 60000"):
        inspect_image(data, MANY)


def test_a_bomb_is_refused_without_waiting_for_those_who_decode() -> None:
    with decoding, pytest.raises(TooManyPixelsError):
        inspect_image(bomb_png(), MANY)


@pytest.mark.parametrize(("limit", "fits"), [(8000, True), (7999, False)])
def test_the_bound_is_exact(limit: int, fits: bool) -> None:
    if fits:
        inspect_image(image_bytes(), limit)
    else:
        with pytest.raises(TooManyPixelsError):
            inspect_image(image_bytes(), limit)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_and_height_are_those_of_the_upright_image(orientation: int) -> None:
    facts = inspect_image(sideways_jpeg(orientation), MANY)
    assert (facts.width, facts.height) == ((100, 80) if orientation < 5 else (80, 100))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    assert inspect_image(sideways_jpeg(orientation), MANY).width == 100


def test_the_orientation_of_a_png_may_stand_behind_its_pixels() -> None:
    exif = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    data = image_bytes()
    facts = inspect_image(data[:-12] + png_chunk(b"eXIf", exif) + data[-12:], MANY)
    assert (facts.width, facts.height) == (80, 100)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0"])
def test_broken_metadata_costs_nobody_their_picture(exif: bytes) -> None:
    assert inspect_image(image_bytes("JPEG", exif=exif), MANY).width == 100


def test_one_image_is_decoded_at_a_time() -> None:
    done = threading.Event()
    with decoding:
        other = threading.Thread(target=lambda: (inspect_image(image_bytes(), MANY), done.set()))
        other.start()
        assert not done.wait(0.2)
    other.join()
    assert done.is_set()
