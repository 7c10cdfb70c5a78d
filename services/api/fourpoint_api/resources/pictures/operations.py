"""Images of other tools: put where workers find them, and outlined; no HTTP.

An image lies under its digest, so that the second click on it finds it there, and what the engine made of it;
the sweep removes it some hours after it was last put there. It is no sample, and of no dataset.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError

from fourpoint_api.settings import ApiSettings
from fourpoint_core.domain.prompts import Prompt, validate_prompt
from fourpoint_core.errors import (
    DamagedImageError,
    FieldError,
    InvalidInputError,
    ObjectMissingError,
    TooManyPixelsError,
    UnsupportedImageError,
)
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.jobs.contracts import OUTLINE_PICTURE
from fourpoint_core.jobs.payloads.pictures import Form, OutlinePicture
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.pictures import picture_key
from fourpoint_core.store.queries import jobs
from fourpoint_core.store.session import Sessions, note_result, unit_of_work

MAX_CORRECTIONS = 64
# For as long as a person clicks on one image. What lies behind an address may be another one later.
_REMEMBERED_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in the object store. width, height: pixels, upright."""

    digest: str
    width: int
    height: int


def keep(store: ObjectStore, decoder: Decoder, settings: ApiSettings, data: bytes, pointer: str) -> Picture:
    """Put an image where workers find it. pointer: where the request has it. Raises InvalidInputError."""
    if len(data) > settings.max_picture_bytes:
        raise InvalidInputError.at(
            pointer, "image_too_large", f"The image has more than {settings.max_picture_bytes:,} bytes."
        )
    try:
        facts = decoder.facts(data, settings.max_image_pixels)
    except (UnsupportedImageError, DamagedImageError, TooManyPixelsError) as error:
        raise InvalidInputError.at(pointer, error.code, error.detail) from error
    digest = hashlib.sha256(data).hexdigest()
    key = picture_key(digest)
    if not _lies_fresh(store, key, timedelta(hours=settings.picture_hours)):
        store.put(key, data, content_type=facts.media_type)
    return Picture(digest, facts.width, facts.height)


def keep_from(redis: Redis, address: str, make: Callable[[], Picture]) -> Picture:
    """The image behind an address, which is fetched once for all clicks of a person on it.

    Redis remembers what was found, never the image. Raises what `make` raises.
    """
    key = f"fourpoint:picture:{hashlib.sha256(address.encode()).hexdigest()}"
    with contextlib.suppress(RedisError):
        known = redis.get(key)
        if isinstance(known, bytes):
            return Picture(**json.loads(known))
    picture = make()
    with contextlib.suppress(RedisError):
        redis.set(key, json.dumps(asdict(picture)), ex=_REMEMBERED_SECONDS)
    return picture


def queue(
    sessions: Sessions,
    picture: Picture,
    question: "Question",
    *,
    job_id: UUID,
    author: UUID,
    request_id: str | None,
    deadline_seconds: float,
) -> jobs.Message:
    """Have the outline drawn; publishing is the caller's next step.

    Raises InvalidInputError or QueueFullError.
    """
    if question.prompt is not None:
        _check(question.prompt, picture, question.pointer)
    payload = OutlinePicture(
        picture.digest, picture.width, picture.height, question.form, question.prompt, question.brush
    )
    # The answer is the only one who waits for it: a crash of PostgreSQL may take the row with it.
    with unit_of_work(sessions, durable=False) as session:
        note_result(session, {"job_id": str(job_id)})
        return jobs.add_job(
            session,
            OUTLINE_PICTURE,
            payload,
            job_id=job_id,
            author=author,
            dataset_id=None,
            sample_id=None,
            request_id=request_id,
            deadline_seconds=deadline_seconds,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the engine, see OutlinePicture. pointer: where in the request the clicks stand."""

    form: Form
    prompt: Prompt | None
    brush: tuple[int, ...]
    pointer: str


def _lies_fresh(store: ObjectStore, key: str, life: timedelta) -> bool:
    """Whether the object is there, and will be for as long as anybody clicks on it."""
    try:
        return datetime.now(UTC) - store.stat(key).last_modified < life / 2
    except ObjectMissingError:
        return False


def _check(prompt: Prompt, picture: Picture, pointer: str) -> None:
    if max(len(prompt.include), len(prompt.exclude)) > MAX_CORRECTIONS:
        raise InvalidInputError.at(pointer, "invalid", f"More than {MAX_CORRECTIONS} corrections; begin anew.")
    try:
        validate_prompt(prompt, picture.width, picture.height, named=False)
    except InvalidInputError as error:
        fields = [FieldError(pointer, item.code, item.detail) for item in error.errors]
        raise InvalidInputError(error.detail, fields) from error
