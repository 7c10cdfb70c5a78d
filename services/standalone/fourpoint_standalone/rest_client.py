"""The few calls of Fourpoint's REST API that the demonstration makes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from fourpoint_standalone.processes import StandaloneError

_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.5
_FINAL = {"succeeded", "failed", "cancelled"}

Json = dict[str, Any]


class RestClient:
    """A client of one server; paths are those below `/v1`.

    Every call raises StandaloneError, with the reason that the API gives, where it is refused.
    """

    def __init__(self, base_url: str, token: str):
        # No proxy of the environment's: the API is on this machine.
        self._http = httpx.Client(
            base_url=f"{base_url}/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str, **query: str) -> Json:
        """Read a resource."""
        return _json(self._send("GET", path, params=query))

    def items(self, path: str, **query: str) -> Iterator[Json]:
        """All items of a list, page after page."""
        page = self.get(path, **query)
        yield from page["items"]
        while page["next_cursor"] is not None:
            page = self.get(path, **query, cursor=page["next_cursor"])
            yield from page["items"]

    def read(self, path: str) -> bytes:
        """Read a file."""
        return self._send("GET", path).content

    def create(self, path: str, body: Json) -> Json:
        """Make a resource."""
        return _json(self._send("POST", path, json=body))

    def upload(self, path: str, files: dict[str, bytes]) -> list[Json]:
        """Upload files by name; the new samples, in their order."""
        parts = [("files", file) for file in files.items()]
        samples: list[Json] = _json(self._send("POST", path, files=parts))["items"]
        return samples

    def run(self, path: str, body: Json, wait_seconds: int) -> Json:
        """Ask for work and wait for its result, however long it takes."""
        response = self._send("POST", path, json=body, headers={"Prefer": f"wait={wait_seconds}"})
        answer = _json(response)
        return answer if response.status_code == httpx.codes.OK else self.result_of(answer)

    def remove(self, path: str) -> None:
        """Delete a resource."""
        self._send("DELETE", path)

    def result_of(self, job: Json, watch: Callable[[Json], None] = lambda job: None) -> Json:
        """The result of a job that was accepted, once it has ended well. watch: is shown it meanwhile."""
        while job["state"] not in _FINAL:
            watch(job)
            time.sleep(_POLL_SECONDS)
            job = self.get(f"/jobs/{job['id']}")
        if job["result"] is None:
            raise StandaloneError(f"The job {job['id']} {job['state']}: {(job['error'] or {}).get('detail')}")
        result: Json = job["result"]
        return result

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise StandaloneError(f"{method} {path}: {error}") from error
        if not response.is_success:
            raise StandaloneError(f"{method} {path} was answered {response.status_code}: {_reason(response)}")
        return response


def _json(response: httpx.Response) -> Json:
    body: Json = response.json()
    return body


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text
