"""Asking a running API whether everything behind it is there."""

import http.client
import json

_TIMEOUT_SECONDS = 5.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not listened on


def reachable(host: str) -> str:
    """Where this machine reaches a server that listens on `host`."""
    return _WILDCARDS.get(host, host)


def in_url(host: str, port: int) -> str:
    """`host:port` as addresses are written: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def missing(host: str, port: int) -> dict[str, str]:
    """What is not ready, by name of the check; empty when the API says that all is.

    The check named `api` is ours: it does not answer yet.
    """
    connection = http.client.HTTPConnection(reachable(host), port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return {"api": str(error) or type(error).__name__}
    finally:
        connection.close()
    return {} if response.status == http.client.OK else _complaints(body, response.status)


def _complaints(body: bytes, status: int) -> dict[str, str]:
    try:
        checks: dict[str, str] = json.loads(body)["checks"]
    except (ValueError, KeyError, TypeError):
        return {"api": f"it answers with status {status}"}
    return {name: text for name, text in checks.items() if text != "ok"}
