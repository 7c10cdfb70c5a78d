"""Any accepted image as upright 8-bit RGB."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageFile, PngImagePlugin
from tests.factories import DAMAGED_PALETTES, image_bytes, picture, png_chunk, sideways_jpeg

from fourpoint_core.errors import DamagedImageError
from fourpoint_core.imaging import strips
from fourpoint_core.imaging.scaling import decode_scaled, scaled_to
from fourpoint_core.imaging.upright import decode_upright, thumbnail_jpeg

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30)
# How the pixels lie in the file for each orientation, so that upright is red, green / blue, yellow.
STORED = {
    1: ((RED, GREEN), (BLUE, YELLOW)),
    2: ((GREEN, RED), (YELLOW, BLUE)),
    3: ((YELLOW, BLUE), (GREEN, RED)),
    4: ((BLUE, YELLOW), (RED, GREEN)),
    5: ((RED, BLUE), (GREEN, YELLOW)),
    6: ((GREEN, YELLOW), (RED, BLUE)),
    7: ((YELLOW, GREEN), (BLUE, RED)),
    8: ((BLUE, RED), (YELLOW, GREEN)),
}


def quarters(colours: tuple[tuple[tuple[int, int, int], ...], ...], side: int = 32) -> Image.Image:
    image = Image.new("RGB", (2 * side, 2 * side))
    for row, line in enumerate(colours):
        for column, colour in enumerate(line):
            image.paste(colour, (column * side, row * side, (column + 1) * side, (row + 1) * side))
    return image


def near(found: object, wanted: tuple[int, ...], slack: int = 12) -> bool:
    return all(abs(one - other) <= slack for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = image_bytes("PNG", quarters(STORED[orientation]), exif=exif)
    upright = decode_upright(data)
    corners = [upright.getpixel(at) for at in ((8, 8), (56, 8), (8, 56), (56, 56))]
    assert corners == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_a_png_becomes_rgb(mode: str) -> None:
    upright = decode_upright(image_bytes("PNG", picture(mode)))
    assert (upright.mode, upright.size) == ("RGB", (100, 80))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_mode_of_a_jpeg_becomes_rgb(mode: str) -> None:
    assert decode_upright(image_bytes("JPEG", picture(mode), quality=95)).mode == "RGB"


def test_the_colours_of_a_cmyk_image_are_not_inverted() -> None:
    image = Image.new("RGB", (16, 16), RED).convert("CMYK")
    red, green, blue = decode_upright(image_bytes("JPEG", image, quality=100)).getpixel((8, 8))
    assert red > 150 > max(green, blue)


def test_a_16_bit_image_is_stretched_to_what_it_holds() -> None:
    deep = Image.new("I;16", (2, 1))
    deep.putpixel((0, 0), 1000)
    deep.putpixel((1, 0), 4000)
    upright = decode_upright(image_bytes("PNG", deep))
    assert [upright.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), (255, 255, 255)]


def test_a_16_bit_image_of_one_value_is_an_image() -> None:
    assert decode_upright(image_bytes("PNG", Image.new("I;16", (3, 2), 4000))).size == (3, 2)


def deep_png(colour_type: int, *pixels: tuple[int, ...]) -> bytes:
    """A PNG of 16 bits a channel and one row. colour_type: 2 RGB, 4 grey and alpha, 6 RGBA."""
    header = struct.pack(">IIBBBBB", len(pixels), 1, 16, colour_type, 0, 0, 0)
    row = b"\0" + b"".join(struct.pack(f">{len(pixel)}H", *pixel) for pixel in pixels)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(row)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (deep_png(2, (0, 4095, 2048), (1024, 0, 0)), [(0, 255, 127), (63, 0, 0)]),
        (deep_png(6, (0, 4095, 0, 65535), (4095, 4095, 0, 0)), [(0, 255, 0), (255, 255, 255)]),
        (deep_png(4, (100, 65535), (400, 65535)), [(0, 0, 0), (255, 255, 255)]),
    ],
)
def test_12_bit_colour_is_as_bright_as_12_bit_grey(data: bytes, expected: list[tuple[int, int, int]]) -> None:
    upright = decode_upright(data)
    assert [upright.getpixel((x, 0)) for x in range(upright.width)] == expected


def test_the_thumbnail_of_deep_colour_is_as_bright_as_the_image() -> None:
    data = deep_png(2, *[(0, 0, 0)] * 8, *[(4095, 4095, 4095)] * 8)
    left, right = (shown(data).getpixel((x, 0)) for x in (1, 14))
    assert near(left, (0, 0, 0)) and near(right, (255, 255, 255))


def test_what_is_transparent_lies_on_white() -> None:
    assert (
        decode_upright(image_bytes("PNG", Image.new("RGBA", (2, 2), (*RED, 0)))).getpixel((0, 0)) == (255,) * 3
    )


def test_what_is_half_transparent_shines_through() -> None:
    found = decode_upright(image_bytes("PNG", Image.new("RGBA", (2, 2), (0, 0, 0, 128)))).getpixel((0, 0))
    assert near(found, (127, 127, 127))


def test_the_clear_colour_of_a_palette_lies_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    upright = decode_upright(image_bytes("PNG", image, transparency=0))
    assert [upright.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), GREEN]


def test_an_animation_shows_its_first_picture() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
    data = image_bytes("PNG", frames[0], save_all=True, append_images=frames[1:])
    assert decode_upright(data).getpixel((0, 0)) == RED


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0"])
def test_broken_metadata_costs_nobody_their_picture(exif: bytes) -> None:
    assert decode_upright(image_bytes("JPEG", exif=exif)).size == (100, 80)


def test_a_damaged_image_is_said_to_be() -> None:
    data = image_bytes("PNG")
    with pytest.raises(DamagedImageError):
        decode_upright(data[:-40])


# Thumbnails


def shown(data: bytes, size: int = 128) -> Image.Image:
    return Image.open(io.BytesIO(thumbnail_jpeg(data, size)))


@pytest.mark.parametrize(
    ("size", "expected"), [((1000, 500), (128, 64)), ((50, 400), (16, 128)), ((9, 9), (9, 9))]
)
def test_the_longest_side_is_bounded(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shown(image_bytes("JPEG", picture(size=size))).size == expected


def test_a_line_of_pixels_has_a_thumbnail() -> None:
    assert shown(image_bytes("PNG", picture(size=(3000, 1)))).size == (128, 1)


def test_a_thumbnail_is_upright() -> None:
    assert shown(sideways_jpeg(6, (400, 200))).size == (64, 128)


def test_a_thumbnail_of_a_large_jpeg_shows_the_same_picture() -> None:
    image = quarters(STORED[1], side=1500)
    small = shown(image_bytes("JPEG", image))
    corners = [small.getpixel(at) for at in ((20, 20), (100, 20), (20, 100), (100, 100))]
    assert all(map(near, corners, (RED, GREEN, BLUE, YELLOW)))


def test_a_thumbnail_carries_no_metadata_of_its_image() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("comment", "x" * 100_000)
    data = image_bytes("PNG", pnginfo=notes, icc_profile=b"p" * 5000)
    assert len(thumbnail_jpeg(data, 128)) < 5000


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_image_is_decoded_at_the_size_that_is_asked_for(kind: str) -> None:
    data = image_bytes(kind, picture(size=(801, 403)))
    assert decode_scaled(data, 100).size == (100, 50)


def test_a_palette_that_lacks_colours_is_told_when_an_image_is_scaled() -> None:
    with pytest.raises(DamagedImageError):
        decode_scaled(DAMAGED_PALETTES["more transparency than colours"], 100)


def test_a_photo_on_its_side_is_scaled_upright() -> None:
    assert decode_scaled(sideways_jpeg(6, size=(801, 403)), 100).size == (50, 100)


def test_a_scaled_jpeg_shows_what_the_whole_one_does() -> None:
    data = image_bytes("JPEG", picture(size=(800, 400)))
    whole = scaled_to(decode_upright(data), 100)
    difference = ImageChops.difference(whole, decode_scaled(data, 100))
    assert max(high for _, high in difference.getextrema()) <= 3


def test_a_large_jpeg_is_never_unpacked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = image_bytes("JPEG", picture(size=(1600, 1200)))
    seen: list[tuple[int, int]] = []
    load = ImageFile.ImageFile.load

    def watched(image: ImageFile.ImageFile) -> Any:
        seen.append(image.size)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", watched)
    decode_scaled(data, 200)
    assert max(seen) == (200, 150)


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "P", "LA", "I;16"])
def test_an_image_made_in_strips_is_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = image_bytes("PNG", picture(kind, size=(801, 403)))
    whole, small = decode_upright(data), decode_scaled(data, 100)
    monkeypatch.setattr(strips, "_PIXELS", 801 * 7)
    assert ImageChops.difference(decode_upright(data), whole).getbbox() is None
    assert ImageChops.difference(decode_scaled(data, 100), small).getbbox() is None


def test_an_image_scaled_by_much_shows_what_it_does_when_scaled_at_once() -> None:
    """The last column and row of pixels that are averaged lack some; nothing shifts for it."""
    data = image_bytes("PNG", picture(size=(1601, 803)))
    difference = ImageChops.difference(scaled_to(decode_upright(data), 100), decode_scaled(data, 100))
    assert max(high for _, high in difference.getextrema()) <= 3
