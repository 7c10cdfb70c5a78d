"""What a file is, found out from its bytes."""

import contextlib
import threading

import pytest
from tests.factories import bomb_png, image_bytes, picture, png_chunk, sideways_jpeg

from fourpoint_core.errors import DamagedImageError, TooManyPixelsError, UnsupportedImageError
from fourpoint_core.imaging.inspect import ImageFacts, decoding, inspect_image

MANY = 10**8


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
