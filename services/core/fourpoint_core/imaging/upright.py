"""Any accepted image as upright 8-bit RGB: the frame that all coordinates are in."""

import io

from PIL import Image

from fourpoint_core.errors import DamagedImageError
from fourpoint_core.imaging.inspect import decoding, open_image, orientation

_DEEP_MODES = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
# Transparent pixels are nothing; on white they stay as light as most editors show them.
_BEHIND_TRANSPARENCY = (255, 255, 255)
_JPEG_QUALITY = 85
# What undoes each EXIF orientation. Pillow's own exif_transpose also rewrites the metadata, and fails where
# that is broken; the picture itself may be fine.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_upright(data: bytes) -> Image.Image:
    """Decode to mode RGB with the EXIF orientation applied. Raises DamagedImageError."""
    return _upright(open_image(data))


def to_rgb8(image: Image.Image) -> Image.Image:
    """Grey, palette, CMYK, 16-bit and transparent images as 8-bit RGB.

    Deep grey images are stretched from their own darkest to their own brightest value: cameras and microscopes
    fill 12 of 16 bits, and cut to the upper 8 they would be black.
    """
    if image.mode in _DEEP_MODES:
        return _stretch(image).convert("RGB")
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGB", layer.size, _BEHIND_TRANSPARENCY)
        ground.paste(layer, mask=layer)
        return ground
    return image.convert("RGB")


def thumbnail_jpeg(data: bytes, longest_side: int) -> bytes:
    """A JPEG of the upright image whose longest side is at most `longest_side` pixels.

    Raises DamagedImageError.
    """
    image = open_image(data)
    # A JPEG is decoded at a half, a quarter or an eighth of its size, as long as that is large enough.
    image.draft(None, (2 * longest_side, 2 * longest_side))
    with decoding:
        small = _upright(image)
        small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    # Comments and profiles of the original would be written as well.
    small.info.clear()
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def _upright(image: Image.Image) -> Image.Image:
    try:
        image.load()
        turn = _UPRIGHT.get(orientation(image))
        rgb = to_rgb8(image)
        return rgb if turn is None else rgb.transpose(turn)
    except Exception as error:
        raise DamagedImageError("The stored image cannot be decoded; upload it again.") from error


def _stretch(image: Image.Image) -> Image.Image:
    deep = image.convert("F")
    low, high = deep.getextrema()
    if not isinstance(low, float) or not isinstance(high, float) or high <= low:
        return Image.new("L", image.size, 0)
    scale = 255.0 / (high - low)
    return deep.point(lambda value: value * scale - low * scale).convert("L")
