"""Access tokens of an OpenID Connect provider, verified here: only its keys are read, and kept.

Follows RFC 8725 (JWT best current practices): algorithms are pinned and asymmetric, the key says which of
them, and issuer, audience, subject and expiry have to be there.
"""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt

from fourpoint_api.settings import ApiSettings
from fourpoint_core import foreign_json
from fourpoint_core.domain.access import user_name_from
from fourpoint_core.errors import ForbiddenAddressError, IdentityProviderUnavailableError, TokenInvalidError
from fourpoint_core.outbound_calls import ANYWHERE, CallFailedError, Deadline, call

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
LEEWAY_SECONDS = 30
# An unknown key makes us look for new ones, and anybody can make up names of keys.
LOOK_AGAIN_SECONDS = 60.0
TRY_AGAIN_SECONDS = 5.0
# So that a key that the provider has withdrawn is not trusted for ever.
KEEP_SECONDS = 3600.0
FETCH_SECONDS = 5.0
MAX_BYTES = 1024 * 1024
MAX_SUBJECT_LENGTH = 255
_NAMES = ("preferred_username", "name", "email", "sub")
# PyJWT names its own; the rest is what a hostile header does to a JSON parser, and a value of another kind than
# the standard says to who reads it.
_REFUSED = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
_UNREAD = (OSError, CallFailedError, ForbiddenAddressError)
_OK = 200
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider means.

    name: what the provider calls this person; for people to read, and no proof of anything.
    """

    subject: str
    name: str
    is_admin: bool
    expires_at: datetime


class Verifier:
    """Tells identities from access tokens; one a process."""

    def __init__(self, settings: ApiSettings):
        self._settings = settings
        self._keys = KeySet(settings.oidc_jwks)

    def identity(self, token: str) -> Identity:
        """Whom a token means. Raises TokenInvalidError or IdentityProviderUnavailableError."""
        try:
            claims = self._claims(token)
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        except _REFUSED as error:
            raise TokenInvalidError(f"The access token is not accepted: {_reason(error)}.") from error
        subject = claims["sub"]
        if not subject.isprintable() or not 1 <= len(subject) <= MAX_SUBJECT_LENGTH:
            raise TokenInvalidError("The access token is not accepted: its subject is no plain text.")
        return Identity(subject, _name(claims), self._is_admin(claims), expires_at)

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        key = self._keys.key(header.get("kid"))
        if header.get("alg") != key.algorithm_name:
            raise jwt.InvalidAlgorithmError("its algorithm is not that of its key")
        return jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            issuer=self._settings.oidc_issuer,
            audience=self._settings.oidc_audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )

    def _is_admin(self, claims: dict[str, Any]) -> bool:
        if not self._settings.oidc_admin_claim:
            return False
        found = claims.get(self._settings.oidc_admin_claim)
        return self._settings.oidc_admin_value in (found if isinstance(found, list) else [found])


class KeySet:
    """The provider's keys, by their ids; read when they are first needed, and again when one is unknown.

    source: path of a file, or an http(s) URL.
    """

    def __init__(self, source: str):
        self._source = source
        self._lock = threading.Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read_at = -KEEP_SECONDS
        self._next_look = 0.0

    def key(self, key_id: str | None) -> jwt.PyJWK:
        """The key of that id. Raises TokenInvalidError or IdentityProviderUnavailableError."""
        if key_id not in self._keys or time.monotonic() - self._read_at > KEEP_SECONDS:
            with self._lock:
                self._look_again()
        if not self._keys:
            raise IdentityProviderUnavailableError("The identity provider's keys cannot be read; try again.")
        if key_id not in self._keys:
            raise TokenInvalidError("The access token is not accepted: its key is unknown.")
        return self._keys[key_id]

    def _look_again(self) -> None:
        if time.monotonic() < self._next_look:
            return
        try:
            self._keys = _usable(_read(self._source))
            self._read_at = time.monotonic()
            self._next_look = self._read_at + LOOK_AGAIN_SECONDS
        except (*_UNREAD, *_REFUSED) as error:
            # Those that we have stay good: the provider may be away for longer than our users are.
            logger.warning("keys of the identity provider not read", extra={"reason": str(error)})
            self._next_look = time.monotonic() + TRY_AGAIN_SECONDS


def _read(source: str) -> bytes:
    if "://" not in source:
        return Path(source).read_bytes()
    # The operator's address, wherever it leads; but not where that one would send us.
    headers = {"User-Agent": "Fourpoint", "Accept": "application/json"}
    with call("GET", source, Deadline(FETCH_SECONDS), ANYWHERE, headers) as answer:
        if answer.status != _OK:
            raise ValueError(f"the answer is {answer.status}")
        return answer.body(MAX_BYTES)


def _usable(document: bytes) -> dict[str | None, jwt.PyJWK]:
    """The keys that can sign what we accept. Raises ValueError when there is none."""
    found = foreign_json.loads(document)
    if not isinstance(found, dict):
        raise ValueError("the set is no JSON object")
    loaded = jwt.PyJWKSet.from_dict(found).keys
    keys = [key for key in loaded if key.algorithm_name in ALGORITHMS and key.public_key_use in {None, "sig"}]
    if not keys:
        raise ValueError("the set holds no key of " + ", ".join(ALGORITHMS))
    by_id: dict[str | None, jwt.PyJWK] = {key.key_id: key for key in keys}
    # A provider with one key need not name it.
    return {**by_id, None: keys[0]} if len(keys) == 1 else by_id


def _reason(error: BaseException) -> str:
    return str(error)[:200].rstrip(".") if isinstance(error, jwt.PyJWTError) else "it is malformed"


def _name(claims: dict[str, Any]) -> str:
    for claim in _NAMES:
        value = claims.get(claim)
        name = user_name_from(value) if isinstance(value, str) else None
        if name is not None:
            return name
    return "unnamed"
