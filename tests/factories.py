"""What tests are about, made with as little as the fact needs: images as bytes, and rows in a real database."""

import hashlib
import io
import struct
import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from PIL import Image

from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.domain.geometry import Contour, Part, contour_to_json
from fourpoint_core.domain.prompts import ExtremePoints, Prompt, prompt_to_json
from fourpoint_core.domain.webhooks import SUBSCRIBABLE, Event
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import INFER_CONTOUR, InferContour, SaveMode
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, InferredContour, Job, Sample, User, Webhook
from fourpoint_core.store.queries import annotations, datasets, jobs, members, samples, tokens, users, webhooks
from fourpoint_core.store.session import Sessions, unit_of_work

WIDTH, HEIGHT = 100, 80
POINTS = {"top": [50, 10], "bottom": [50, 70], "left": [20, 40], "right": [80, 40]}
SQUARE = Contour((Part(((20.0, 10.0), (80.0, 10.0), (80.0, 70.0), (20.0, 70.0))),))
SQUARE_JSON = contour_to_json(SQUARE)

# Images


def picture(mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """A left-to-right gradient: every format has something to compress, and sides can be told apart."""
    return Image.linear_gradient("L").rotate(90).resize(size).convert(mode)


def image_bytes(kind: str = "PNG", image: Image.Image | None = None, **options: Any) -> bytes:
    """An encoded image. kind, options: as Pillow's `save` has them."""
    out = io.BytesIO()
    (image or picture()).save(out, kind, **options)
    return out.getvalue()


def sideways_jpeg(orientation: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    """A photo as a phone stores it: pixels of `size`, and an EXIF tag that says how to turn them."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return image_bytes("JPEG", picture(size=size), exif=exif)


def padded_png(byte_count: int) -> bytes:
    """A small PNG of exactly that many bytes: a private chunk fills it up."""
    plain = image_bytes()
    padding = png_chunk(b"paDd", bytes(byte_count - len(plain) - 12))
    # Before IEND, which has twelve bytes.
    return plain[:-12] + padding + plain[-12:]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb_png(width: int = 60_000, height: int = 60_000) -> bytes:
    """A few kilobytes that claim, and would unpack to, that many one-bit pixels."""
    # The beginning of the pixels is bomb enough: whoever unpacks at all has reserved memory for the rest.
    packed = zlib.compress(bytes(4 * 2**20), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", packed)


def palette_png(*between: bytes) -> bytes:
    """A PNG of 4 x 4 pixels that are numbers of colours. between: the chunks before the pixels."""
    chunks = [
        png_chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0)),
        *between,
        png_chunk(b"IDAT", zlib.compress(bytes(5) * 4)),
        png_chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


# All pixels of these can be read, and no colours be made of them.
DAMAGED_PALETTES = {
    "no palette": palette_png(),
    "more transparency than colours": palette_png(png_chunk(b"PLTE", bytes(6)), png_chunk(b"tRNS", bytes(300))),
}

# Rows


def make_user(sessions: Sessions, name: str = "", **facts: Any) -> User:
    """A person without any rights."""
    with unit_of_work(sessions) as session:
        return users.add_user(session, name or f"user {new_id()}", **facts)


def make_token(
    sessions: Sessions, user_id: UUID = LOCAL_USER_ID, scope: Scope = Scope.ADMIN, days: float = 1
) -> str:
    """A secret that stands for somebody; by default for the built-in user, an admin."""
    with unit_of_work(sessions) as session:
        return tokens.add_token(session, user_id, "of a test", scope, timedelta(days=days))[1]


def make_member(sessions: Sessions, dataset: Dataset, user: User, role: Role) -> None:
    """Give somebody a role in a dataset."""
    with unit_of_work(sessions) as session:
        members.set_role(session, dataset.id, user.id, role)


def make_dataset(sessions: Sessions, name: str = "", input_path: str | None = None) -> Dataset:
    """An empty dataset."""
    with unit_of_work(sessions) as session:
        return datasets.add_dataset(session, name or f"dataset {new_id()}", "", input_path, LOCAL_USER_ID)


def make_sample(sessions: Sessions, dataset: Dataset, store: ObjectStore | None = None, **facts: Any) -> Sample:
    """A sample of a dataset; its image is in the store if one is given."""
    data = image_bytes()
    name = facts.get("name", f"{new_id()}.png")
    sample = Sample(
        **{
            "id": new_id(),
            "dataset_id": dataset.id,
            "name": name,
            "object_key": dataset.input_path + name,
            "object_etag": "none",
            "digest": hashlib.sha256(data).hexdigest(),
            "media_type": "image/png",
            "size_bytes": len(data),
            "width": WIDTH,
            "height": HEIGHT,
            "created_by": LOCAL_USER_ID,
            **facts,
        }
    )
    if store is not None:
        store.put(sample.object_key, data, content_type="image/png")
    with unit_of_work(sessions) as session:
        samples.add_samples(session, [sample])
    return sample


def make_job(sessions: Sessions, sample: Sample, save: SaveMode = SaveMode.NONE) -> Job:
    """A queued click on a sample."""
    payload = InferContour(sample.id, new_id(), square_prompt(), save, new_id(), label_name="cat")
    with unit_of_work(sessions) as session:
        message = jobs.add_job(
            session,
            INFER_CONTOUR,
            payload,
            job_id=new_id(),
            author=LOCAL_USER_ID,
            dataset_id=sample.dataset_id,
            sample_id=sample.id,
            request_id=None,
        )
        return jobs.get_job(session, message.job_id)


def make_webhook(
    sessions: Sessions,
    dataset: Dataset | None,
    url: str = "https://example.org/hook",
    events: Sequence[Event] = SUBSCRIBABLE,
) -> Webhook:
    """An address that is told of a dataset's events, or of all datasets'."""
    with unit_of_work(sessions) as session:
        return webhooks.add_webhook(
            session,
            dataset_id=None if dataset is None else dataset.id,
            url=url,
            description="",
            events=[event.value for event in events],
            author=LOCAL_USER_ID,
        )


def make_contour(
    sessions: Sessions, sample: Sample, prompt: Prompt | None = None, *, confident: bool = True
) -> InferredContour:
    """What inference recorded for a sample."""
    with unit_of_work(sessions) as session:
        contour = contour_row(sample.id, new_id(), new_id(), prompt or square_prompt())
        contour.confident = confident
        annotations.record_contour(session, contour)
    return contour


def square_prompt() -> Prompt:
    """Four clicks on the sides of the square."""
    return Prompt(points=ExtremePoints((50, 10), (50, 70), (20, 40), (80, 40)))


def contour_row(sample_id: UUID, contour_id: UUID, job_id: UUID, prompt: Prompt) -> InferredContour:
    """The row of a square that an engine found."""
    return InferredContour(
        id=contour_id,
        sample_id=sample_id,
        job_id=job_id,
        prompt=prompt_to_json(prompt),
        contour=SQUARE_JSON,
        bounding_box=SQUARE.bounding_box.as_list(),
        area=SQUARE.area,
        score=0.9,
        confident=True,
        engine="fake",
        model_digest="0" * 64,
        milliseconds={"queue": 1.0, "image": 1.0, "model": 1.0, "polygon": 1.0},
        created_by=LOCAL_USER_ID,
    )
