"""Fetching an image from an address that stands in somebody's task: bounded, and only from where it may lead.

Every address, that of a redirect too, is resolved once and checked, the connection goes to the checked number,
and all hops share one deadline (`fourpoint_core.outbound_calls`). Label Studio's own files are fetched from the
one Label Studio that the operator named, with its token, which goes nowhere else: neither on a redirect nor to
another path.
"""

import base64
import binascii
import json
from urllib.parse import unquote, urljoin, urlsplit

from fourpoint_core import foreign_json, tracing
from fourpoint_core.errors import ForbiddenAddressError, InvalidInputError
from fourpoint_core.outbound_calls import ANYWHERE, CallFailedError, Deadline, call
from fourpoint_core.public_internet import Network

SECONDS = 20.0
_HOPS = 4
_OK = 200
_MAX_TOKEN_BYTES = 64 * 1024
_SCHEMES = {"http", "https"}
# Label Studio refuses with 406 who would take nothing but an image.
_ACCEPT = "image/*, */*;q=0.5"
# Where Label Studio keeps what was uploaded to it or lies on its disk; the token opens no other door.
_OWN_FILES = "/data/"


class Fetcher:
    """Gets the bytes of an address as tasks have them: http(s), `data:`, or a path of Label Studio."""

    def __init__(self, allowed: tuple[Network, ...], label_studio: str, token: str, max_bytes: int):
        """allowed: networks beside the public internet. label_studio: its base URL; empty: there is none."""
        self._allowed = allowed
        self._base = label_studio.rstrip("/")
        self._token = token
        self._max_bytes = max_bytes

    def fetch(self, address: str, pointer: str) -> bytes:
        """The bytes. pointer: where the address stands. Raises InvalidInputError."""
        if address.startswith("data:"):
            return self._inline(address, pointer)
        try:
            with tracing.step("fetch the image", "client"):
                return self._follow(self._absolute(address, pointer))
        except (CallFailedError, ValueError) as error:
            raise InvalidInputError.at(
                pointer, "image_unreachable", f"The image cannot be fetched: {error}."
            ) from error
        except ForbiddenAddressError as error:
            raise InvalidInputError.at(pointer, error.code, error.detail) from error

    def _absolute(self, address: str, pointer: str) -> str:
        if not address.startswith("/") or address.startswith("//"):
            return address
        if not self._base:
            raise InvalidInputError.at(
                pointer,
                "label_studio_unknown",
                "The image lies in Label Studio; an operator names it with FOURPOINT_LABEL_STUDIO_URL.",
            )
        folder = urlsplit(self._base).path
        origin = self._base.removesuffix(folder) if folder else self._base
        return origin + address if address.startswith(f"{folder}/") else self._base + address

    def _follow(self, url: str) -> bytes:
        deadline = Deadline(SECONDS)
        for _ in range(_HOPS):
            answer = self._get(url, deadline)
            if isinstance(answer, bytes):
                return answer
            url = urljoin(url, answer)
        raise ValueError("it is redirected too often")

    def _get(self, url: str, deadline: Deadline) -> bytes | str:
        """The bytes, or the address that it was moved to."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError("only http:// and https:// can be fetched")
        if parts.username is not None:
            raise ValueError("an address holds no password")
        own = self._is_own(url)
        headers = {"User-Agent": "Fourpoint", "Accept": _ACCEPT}
        if own and self._token:
            headers["Authorization"] = self._authorization(deadline)
        with call("GET", url, deadline, ANYWHERE if own else self._allowed, headers) as answer:
            if answer.location is not None:
                return answer.location
            if answer.status != _OK:
                raise ValueError(f"the answer is {answer.status}")
            return answer.body(self._max_bytes)

    def _is_own(self, url: str) -> bool:
        """Whether this is a file of the operator's Label Studio, and cannot be read as anything else there."""
        if not self._base:
            return False
        base, parts = urlsplit(self._base), urlsplit(url)
        if (parts.scheme, parts.netloc.lower()) != (base.scheme, base.netloc.lower()):
            return False
        path = unquote(unquote(parts.path))
        is_plain = "\\" not in path and not {".", ".."} & set(path.split("/"))
        return is_plain and path.startswith(base.path + _OWN_FILES)

    def _authorization(self, deadline: Deadline) -> str:
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        # A personal access token is a JWT that is traded for one of five minutes.
        asked = json.dumps({"refresh": self._token}).encode()
        headers = {"Content-Type": "application/json"}
        url = f"{self._base}/api/token/refresh"
        with call("POST", url, deadline, ANYWHERE, headers, asked) as answer:
            if answer.status != _OK:
                raise ValueError(f"Label Studio refuses FOURPOINT_LABEL_STUDIO_TOKEN with {answer.status}")
            said = foreign_json.loads(answer.body(_MAX_TOKEN_BYTES))
        token = said.get("access") if isinstance(said, dict) else None
        if not isinstance(token, str) or not token.isascii():
            raise ValueError("Label Studio answers FOURPOINT_LABEL_STUDIO_TOKEN without a token of access")
        return f"Bearer {token}"

    def _inline(self, address: str, pointer: str) -> bytes:
        head, _, text = address.partition(",")
        try:
            if not head.endswith(";base64"):
                raise ValueError
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInputError.at(pointer, "invalid", "A data: address is written in base64.") from error
