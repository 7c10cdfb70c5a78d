"""Any accepted image as upright 8-bit RGB: the frame that all coordinates are in."""

import io

from PIL import Image

from fourpoint_core.errors import DamagedImageError
from fourpoint_core.imaging.deep import eight_bits
from fourpoint_core.imaging.inspect import decoding, open_image, orientation

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
    return _upright(open_image(data), data)


def to_rgb8(image: Image.Image) -> Image.Image:
    """Grey, palette, CMYK and transparent images of 8 bits a channel as RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
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
        small = _upright(image, data)
        small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    # Comments and profiles of the original would be written as well.
    small.info.clear()
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def decode(image: Image.Image, data: bytes) -> tuple[Image.Image, Image.Transpose | None]:
    """The pixels of an opened image with 8 bits a channel, and what turns them upright.

    data: the file that it was opened from. Raises DamagedImageError.
    """
    try:
        # Before the pixels are read: it is told by how they lie in the file.
        shallow = eight_bits(image, data)
        image.load()
        return shallow, _UPRIGHT.get(orientation(image))
    except Exception as error:
        # Pillow's decoders raise what they like: OSError, ValueError, SyntaxError, struct.error and others.
        raise damaged_when_stored() from error


def damaged_when_stored() -> DamagedImageError:
    """That an image which is kept already cannot be decoded."""
    return DamagedImageError("The stored image cannot be decoded; upload it again.")


def _upright(image: Image.Image, data: bytes) -> Image.Image:
    shallow, turn = decode(image, data)
    try:
        rgb = to_rgb8(shallow)
    except Exception as error:
        raise damaged_when_stored() from error
    return rgb if turn is None else rgb.transpose(turn)
