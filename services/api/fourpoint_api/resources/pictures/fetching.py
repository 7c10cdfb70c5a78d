"""Fetching an image from an address that stands in somebody's task: bounded, and only from where it may lead.

Every address, that of a redirect too, is resolved once and checked (`fourpoint_core.outbound`), and the
connection goes to the checked number. Label Studio's own files are fetched from the one Label Studio that the
operator named, with its token, which goes nowhere else: neither on a redirect nor to another path.
"""

import base64
import binascii
import time
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from fourpoint_core import tracing
from fourpoint_core.errors import ForbiddenAddressError, InvalidInputError
from fourpoint_core.outbound import Network, parse_networks, resolve

_SECONDS = 20.0
_TIMEOUT = httpx.Timeout(5.0)
_HOPS = 4
_CHUNK_BYTES = 64 * 1024
_SCHEMES = {"http", "https"}
_ANYWHERE = parse_networks("0.0.0.0/0, ::/0")
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
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise InvalidInputError.at(
                pointer, "image_unreachable", f"The image cannot be fetched: {reason}."
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
        until = time.monotonic() + _SECONDS
        for _ in range(_HOPS):
            answer = self._get(url, until)
            if isinstance(answer, bytes):
                return answer
            url = urljoin(url, answer)
        raise ValueError("it is redirected too often")

    def _get(self, url: str, until: float) -> bytes | str:
        """The bytes, or the address that it was moved to."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError("only http:// and https:// can be fetched")
        if parts.username is not None:
            raise ValueError("an address holds no password")
        own = self._is_own(url)
        endpoint = resolve(url, _ANYWHERE if own else self._allowed)
        target = httpx.URL(url)
        headers = {"Host": target.netloc.decode(), "User-Agent": "Fourpoint", "Accept": _ACCEPT}
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as http:
            if own and self._token:
                headers["Authorization"] = self._authorization(http)
            with http.stream(
                "GET",
                target.copy_with(host=endpoint.address),
                headers=headers,
                extensions={"sni_hostname": endpoint.host},
            ) as response:
                if response.has_redirect_location:
                    return response.headers["Location"]
                if response.status_code != httpx.codes.OK:
                    raise ValueError(f"the answer is {response.status_code}")
                return self._body(response, until)

    def _body(self, response: httpx.Response, until: float) -> bytes:
        body = bytearray()
        # As it is sent: what is unpacked may be a thousand times as large.
        for chunk in response.iter_raw(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_bytes:
                raise ValueError(f"it has more than {self._max_bytes:,} bytes")
            if time.monotonic() > until:
                raise ValueError("it takes too long")
        return bytes(body)

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

    def _authorization(self, http: httpx.Client) -> str:
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        # A personal access token is a JWT that is traded for one of five minutes.
        answer = http.post(f"{self._base}/api/token/refresh", json={"refresh": self._token})
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"Label Studio refuses FOURPOINT_LABEL_STUDIO_TOKEN with {answer.status_code}")
        return f"Bearer {answer.json()['access']}"

    def _inline(self, address: str, pointer: str) -> bytes:
        head, _, text = address.partition(",")
        try:
            if not head.endswith(";base64"):
                raise ValueError
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInputError.at(pointer, "invalid", "A data: address is written in base64.") from error
