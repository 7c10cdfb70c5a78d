"""What is told to whom by webhook: events, signatures, and how long a delivery is tried."""

import hashlib
import hmac
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from fourpoint_core.errors import InvalidInputError

MAX_URL_LENGTH = 2000
SECRET_PREFIX = "fpw_"  # noqa: S105 - what every secret begins with
# A receiver that is down for a night still hears of everything.
_PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
)
MAX_ATTEMPTS = len(_PAUSES) + 1


class Event(StrEnum):
    """What can be told. The database's triggers write these words (migration `webhooks`)."""

    SAMPLES_CREATED = "samples.created"
    SAMPLES_DELETED = "samples.deleted"
    SAMPLES_RESTORED = "samples.restored"
    ANNOTATIONS_SAVED = "annotations.saved"
    JOB_FINISHED = "job.finished"
    DATASET_CREATED = "dataset.created"
    DATASET_DELETED = "dataset.deleted"
    PING = "ping"


# A ping is sent on request only.
SUBSCRIBABLE = tuple(event for event in Event if event is not Event.PING)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


def signature(secret: str, body: bytes) -> str:
    """The value of `X-Signature-256`: HMAC-SHA256 of the body's bytes under the webhook's secret."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def pause_after(attempts: int) -> timedelta | None:
    """How long to wait after so many failed attempts (1 or more); None: it is given up."""
    return _PAUSES[attempts - 1] if attempts <= len(_PAUSES) else None


def check_url(url: str) -> None:
    """Refuse an address that cannot be called. Where it leads is checked at each delivery, by its numbers.

    Raises InvalidInputError.
    """
    problem = _problem_with(url)
    if problem is not None:
        raise InvalidInputError.at("/url", "url_invalid", problem)


def _problem_with(url: str) -> str | None:
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        return f"Give an address of at most {MAX_URL_LENGTH} ASCII characters, without spaces."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is no address; check host and port."
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return "Give an address that begins with https:// (or http://) and a host."
    if parts.username is not None or parts.password is not None:
        return "Leave name and password out of the address; the signature shows who calls."
    return "Leave the part behind # out of the address." if parts.fragment else None
