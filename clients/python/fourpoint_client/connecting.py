"""How the clients reach a service: its address, the token, and which proxies they heed."""

from collections.abc import Callable, Generator
from typing import Any

import httpx

# Longer than a request is held.
_TIMEOUT_SECONDS = 60.0
# What is on this machine is behind no proxy, whatever the environment says of the rest.
_HERE = ("all://localhost", "all://127.0.0.1", "all://[::1]")

Token = str | Callable[[], str]


def options(base_url: str, token: Token | None) -> dict[str, Any]:
    """What both of httpx's clients are told. Raises ValueError where base_url is no address."""
    return {
        "base_url": _checked(base_url),
        "auth": None if token is None else _SignsIn(token),
        "timeout": _TIMEOUT_SECONDS,
        "mounts": dict.fromkeys(_HERE),
    }


class _SignsIn(httpx.Auth):
    def __init__(self, token: Token):
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._token if isinstance(self._token, str) else self._token()
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{base_url} is no address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"{base_url} is no address; one is https://fourpoint.example.org")
    return url
