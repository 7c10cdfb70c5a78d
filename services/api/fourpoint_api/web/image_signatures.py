"""Signatures for images: an `<img>` can send no token, so the address that it shows is signed.

A signature is of one person, for one dataset, for an hour. It opens nothing by itself: whoever asked for it has
to be allowed to see the image when it is shown.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from fourpoint_core.domain.access import Caller
from fourpoint_core.errors import TokenInvalidError

LIFETIME = timedelta(hours=1)
_ANOTHER = "ask for another one: GET /v1/datasets/{dataset_id}/image-signature."


@dataclass(frozen=True, slots=True)
class ImageSignature:
    """Who may see a dataset's images, and until when. token_id: what they signed in with, if it was one."""

    dataset_id: UUID
    user_id: UUID
    token_id: UUID | None
    acts_as_admin: bool
    expires_at: datetime

    @classmethod
    def of(cls, caller: Caller, dataset_id: UUID) -> "ImageSignature":
        """One that ends in an hour, or with what the caller signed in with."""
        until = datetime.now(UTC).replace(microsecond=0) + LIFETIME
        if caller.token_expires_at is not None:
            until = min(until, caller.token_expires_at.replace(microsecond=0))
        return cls(dataset_id, caller.user_id, caller.token_id, caller.acts_as_admin, until)


def signed(signature: ImageSignature, key: str) -> str:
    """As it stands in an address. key: of this installation."""
    token = None if signature.token_id is None else signature.token_id.hex
    until = int(signature.expires_at.timestamp())
    said = [signature.dataset_id.hex, signature.user_id.hex, token, signature.acts_as_admin, until]
    return str(_serializer(key).dumps(said))


def opened(text: str, key: str) -> ImageSignature:
    """The inverse of `signed`. Raises TokenInvalidError."""
    try:
        dataset, user, token, acts_as_admin, until = _serializer(key).loads(text)
        found = ImageSignature(
            UUID(dataset),
            UUID(user),
            None if token is None else UUID(token),
            acts_as_admin,
            datetime.fromtimestamp(until, UTC),
        )
    except (BadData, ValueError, TypeError) as error:
        raise TokenInvalidError(f"This signature was changed; {_ANOTHER}") from error
    if found.expires_at <= datetime.now(UTC):
        raise TokenInvalidError(f"This signature has run out; {_ANOTHER}")
    return found


def _serializer(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt="images of a dataset")
