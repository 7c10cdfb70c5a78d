"""Images as people upload them, by way of the object store: sideways, of any depth, with any channels."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.sam.conftest import MakeEngine
from tests.sam.scenes import BRIGHT, DARK, clicks_on, draw

from fourpoint_core.domain.geometry import Box
from fourpoint_core.ids import new_id
from fourpoint_core.storage.local_store import LocalStore
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_core.store.queries.samples import Photograph
from fourpoint_worker.images import ImageCache, StoredPicture

WIDTH, HEIGHT = 512, 384
# Whole squares of the network's, which sees the image at half its size.
OBJECT = Box(96, 128, 384, 320)


def upright() -> Image.Image:
    pixels = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
    pixels[int(OBJECT.y0) : int(OBJECT.y1), int(OBJECT.x0) : int(OBJECT.x1)] = BRIGHT
    return Image.fromarray(pixels)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def on_its_side(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(upright().transpose(Image.Transpose.ROTATE_90), kind, exif=exif)


def deep() -> bytes:
    """Twelve bits of sixteen, as cameras fill them."""
    grey = np.asarray(upright().convert("L")).astype(np.uint16) << 4
    return saved(Image.fromarray(grey), "PNG")


def with_a_hole() -> bytes:
    """Where the object is, all is clear, whatever its colour; that counts as white."""
    image = Image.new("RGBA", (WIDTH, HEIGHT), (DARK, DARK, DARK, 255))
    image.paste((0, 0, 0, 0), tuple(map(int, OBJECT.as_list())))
    return saved(image, "PNG")


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[bytes], StoredPicture]:
    """An image of the object store, with a cache in front of it."""
    store = LocalStore(tmp_path)
    # Of digests that are some, no database is asked.
    images = ImageCache(store, 2**28, DigestBook(None, store))  # type: ignore[arg-type]

    def put(data: bytes) -> StoredPicture:
        store.put("photo", data, content_type="application/octet-stream")
        digest = hashlib.sha256(data).hexdigest()
        return images.picture(Photograph(new_id(), digest, "photo", WIDTH, HEIGHT))

    return put


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: saved(upright(), "JPEG", quality=95), id="JPEG"),
        pytest.param(lambda: on_its_side("JPEG"), id="JPEG with EXIF"),
        pytest.param(lambda: on_its_side("PNG"), id="PNG with EXIF"),
        pytest.param(lambda: saved(upright().convert("CMYK"), "JPEG", quality=95), id="CMYK"),
        pytest.param(lambda: saved(upright().convert("L"), "PNG"), id="grey"),
        pytest.param(lambda: saved(upright().quantize(4), "PNG"), id="palette"),
        pytest.param(deep, id="16 bits"),
        pytest.param(with_a_hole, id="alpha"),
        pytest.param(lambda: saved(upright(), "BMP"), id="BMP"),
    ],
)
def test_the_outline_is_that_of_the_upright_image(
    make_engine: MakeEngine, stored: Callable[[bytes], StoredPicture], make: Callable[[], bytes]
) -> None:
    outline = draw(make_engine(), stored(make()), clicks_on(OBJECT))
    assert outline.contour.bounding_box.as_list() == pytest.approx(OBJECT.as_list(), abs=2.5)
    assert outline.confident
