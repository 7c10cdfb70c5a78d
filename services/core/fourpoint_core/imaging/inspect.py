"""What an uploaded file is, found out from its bytes and never from its name."""

import io
import threading
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from fourpoint_core.errors import DamagedImageError, TooManyPixelsError, UnsupportedImageError

# The service's own bound comes first and answers 422; Pillow's would warn, and only then raise.
Image.MAX_IMAGE_PIXELS = None

MEDIA_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "BMP": "image/bmp"}
SUFFIXES = {"image/jpeg": (".jpg", ".jpeg"), "image/png": (".png",), "image/bmp": (".bmp",)}
SIDEWAYS = {5, 6, 7, 8}
_ORIENTATION_TAG = 0x0112
END_OF_PNG = b"IEND\xaeB`\x82"
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"BM")
# A 100-megapixel PNG unpacks to 400 MB. One at a time keeps a process bounded, whatever is sent to it.
decoding = threading.Semaphore(1)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """width, height: pixels of the upright image; media_type: by content."""

    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Header:
    """width, height: as stored, in pixels; is_sideways: whether upright they are the other way round."""

    media_type: str
    width: int
    height: int
    is_sideways: bool


def header_of(data: bytes) -> Header:
    """What the beginning of a file says. Raises UnsupportedImageError or DamagedImageError."""
    image = open_image(data)
    return Header(MEDIA_TYPES[image.format or ""], *image.size, orientation(image) in SIDEWAYS)


def inspect_image(data: bytes, max_pixels: int) -> ImageFacts:
    """Identify an image and make sure that all of it can be decoded.

    Raises UnsupportedImageError, TooManyPixelsError (before a pixel is unpacked) or DamagedImageError.
    """
    image = open_image(data)
    width, height = image.size
    check_pixels(width, height, max_pixels)
    if _lacks_its_end(image, data):
        raise damaged()
    with decoding:
        _decode(image)
    # After decoding: PNG may keep its EXIF behind the pixels.
    return upright_facts(image, width, height)


def open_image(data: bytes) -> Image.Image:
    """Read the header. Raises UnsupportedImageError or DamagedImageError."""
    try:
        return Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "BMP"))
    except UnidentifiedImageError as error:
        if data.startswith(_SIGNATURES):
            raise damaged() from error
        raise UnsupportedImageError(
            "The content is no JPEG, PNG or BMP image; convert the file and upload it again."
        ) from error
    except Exception as error:
        raise damaged() from error


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none or it cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - broken metadata must not cost anyone their picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image that would take too much memory. Raises TooManyPixelsError."""
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"The image has {width} x {height} pixels; scale it down to at most {max_pixels:,} in all."
        )


def upright_facts(image: Image.Image, width: int, height: int) -> ImageFacts:
    """The facts of a picture of width x height stored pixels. image: what says how it is to be turned."""
    sideways = orientation(image) in SIDEWAYS
    return ImageFacts(MEDIA_TYPES[image.format or ""], *((height, width) if sideways else (width, height)))


def damaged() -> DamagedImageError:
    """The error of an image that is cut off or broken."""
    return DamagedImageError("The image is truncated or damaged; save it again and upload the new file.")


def _decode(image: Image.Image) -> None:
    try:
        # For a JPEG an eighth of the size is enough: all of the stream is read all the same.
        image.draft(None, (max(1, image.width // 8), max(1, image.height // 8)))
        image.load()
        _look_up_colours(image)
    except Exception as error:
        raise damaged() from error


def _look_up_colours(image: Image.Image) -> None:
    # Pillow looks at a palette, and at what is transparent, only when it makes colours of the pixels; one pixel
    # is enough for that, and what fails now would fail whoever opens the image later.
    if image.mode == "P" or (image.mode in {"1", "L"} and "transparency" in image.info):
        target = "RGBA" if image.has_transparency_data else "RGB"
        image.crop((0, 0, 1, 1)).convert(target)


def _lacks_its_end(image: Image.Image, data: bytes) -> bool:
    # Pillow is content once it has all pixels. A PNG without its last chunk was cut all the same.
    return image.format == "PNG" and END_OF_PNG not in data
