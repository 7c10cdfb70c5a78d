"""Trying what may be done in the bucket, and hearing of what happens there; no HTTP."""

import hmac
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_plus

from fourpoint_api.resources.datasets.paths import clean_path
from fourpoint_core import foreign_json
from fourpoint_core.domain.text import is_text
from fourpoint_core.errors import InvalidInputError, TokenInvalidError
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.probing import Permission, Trial, probe
from fourpoint_core.store.queries import syncs
from fourpoint_core.store.session import Sessions, note_result, unit_of_work

# What comes within is one synchronisation: who uploads a hundred files makes a hundred events.
PAUSE = timedelta(seconds=2)
MAX_KEYS = 1000
_DEPTH = 3
_FOR_INPUT = {Permission.LIST, Permission.READ, Permission.WRITE, Permission.DELETE}
_FOR_OUTPUT = {*_FOR_INPUT, Permission.MULTIPART}
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StorageTest:
    """What may be done below a prefix."""

    prefix: str
    trials: list[Trial]

    def suffices(self, needed: set[Permission]) -> bool:
        """Whether all of these are there."""
        return needed <= {trial.permission for trial in self.trials if trial.is_granted}

    @property
    def as_input(self) -> bool:
        """Whether images can be labeled there, and uploaded."""
        return self.suffices(_FOR_INPUT)

    @property
    def as_output(self) -> bool:
        """Whether results can be written there."""
        return self.suffices(_FOR_OUTPUT)


def test_storage(store: ObjectStore, path: str) -> StorageTest:
    """Try every permission below a path. Raises InvalidInputError."""
    prefix = clean_path(path, "/path", store.bucket)
    return StorageTest(prefix, probe(store, prefix))


def check_token(expected: str, authorization: str | None, in_query: str | None) -> None:
    """Let the bucket in, and nobody else. Raises TokenInvalidError."""
    sent = (authorization or "").removeprefix("Bearer ").strip() or in_query or ""
    if not expected or not hmac.compare_digest(sent.encode(), expected.encode()):
        raise TokenInvalidError(
            "Send the token of FOURPOINT_STORAGE_EVENTS_TOKEN: `Authorization: Bearer <token>` or `?token=`."
        )


@dataclass(frozen=True, slots=True)
class Event:
    """What has happened in a bucket. records: one for each object, of whatever kind a bucket tells."""

    records: Sequence[dict[str, Any]]

    @property
    def buckets(self) -> list[str]:
        """The names of those that it speaks of."""
        return sorted({name for place in self.places() if (name := _named(place, "bucket", "name"))})

    def keys(self, bucket: str | None) -> list[str]:
        """Of objects in our bucket; the first thousand."""
        found = {
            # As in the query of an address: that is how every S3 service writes them.
            unquote_plus(key)
            for place in self.places()
            if (key := _named(place, "object", "key"))
            and (bucket is None or _named(place, "bucket", "name") in {bucket, None})
        }
        return sorted(filter(is_text, found))[:MAX_KEYS]

    def places(self) -> Iterator[dict[str, Any]]:
        """Bucket and object of each record that has them."""
        for record in self.records:
            place = record.get("s3") or record.get("obs")
            if isinstance(place, dict):
                yield place


def event_in(body: Any) -> Event:
    """The event in what a bucket sends: as S3, MinIO and OBS write it, or a notification service's letter.

    Raises InvalidInputError.
    """
    events = _opened(body)
    return Event([] if events is None else events["Records"])


def hear(sessions: Sessions, event: Event, bucket: str | None) -> int:
    """Have the datasets synchronised soon in whose paths something has happened; how many."""
    keys = event.keys(bucket)
    if not keys:
        return 0
    with unit_of_work(sessions) as session:
        count = syncs.ask(session, keys, PAUSE)
        note_result(session, {"datasets": count})
        return count


def _opened(body: Any) -> dict[str, Any] | None:
    """The event in a letter; None where the letter is none about objects."""
    for _ in range(_DEPTH):
        if not isinstance(body, dict):
            break
        if isinstance(body.get("Records"), list):
            return _checked(body)
        address = body.get("subscribe_url") or body.get("SubscribeURL")
        if isinstance(address, str):
            # Not followed: whoever holds the token could have this service call any address.
            logger.warning("open this address to confirm the bucket's notifications", extra={"url": address})
            return None
        letter = body.get("message") or body.get("Message")
        if body.get("Event") == "s3:TestEvent" or not isinstance(letter, str):
            break
        try:
            body = foreign_json.loads(letter)
        except foreign_json.NotJsonError:
            break
    if isinstance(body, dict) and body.get("Event") == "s3:TestEvent":
        return None
    raise InvalidInputError.at(
        "/Records", "required", "Send an S3 event: `Records` with `s3.object.key` in each."
    )


def _checked(events: dict[str, Any]) -> dict[str, Any]:
    """The event, where its records are objects; what stands in them may be of any kind that a bucket tells."""
    for index, record in enumerate(events["Records"]):
        if not isinstance(record, dict):
            raise InvalidInputError.at(
                f"/Records/{index}", "invalid", "Send an S3 event: a record is an object with `s3.object.key`."
            )
    return events


def _named(place: dict[str, Any], thing: str, name: str) -> str | None:
    found = place.get(thing)
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) and is_text(value) else None
