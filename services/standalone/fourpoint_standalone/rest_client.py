"""The few calls of Fourpoint's REST API that the command line makes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

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
        self._base_url = base_url.rstrip("/")
        # For addresses that are signed themselves, and may lead to another server.
        self._bare = httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
        self._bare.close()

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

    def find_dataset(self, dataset: str) -> str:
        """The id of a dataset that is named by its id or its name."""
        with suppress(ValueError):
            return str(UUID(dataset))
        found = [one["id"] for one in self.items("/datasets") if one["name"] == dataset]
        if not found:
            raise StandaloneError(f"There is no dataset named {dataset!r}; give its name or its id.")
        return str(found[0])

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

    def write(self, address: str, headers: Mapping[str, str], chunks: Iterable[bytes]) -> None:
        """Send a file to where a slot says, which needs no token: an address, or one below the API's."""
        try:
            response = self._bare.put(self._absolute(address), headers=dict(headers), content=chunks)
        except httpx.HTTPError as error:
            raise StandaloneError(f"The file could not be sent: {error}") from error
        if not response.is_success:
            raise StandaloneError(f"The file was answered {response.status_code}: {_reason(response)}")

    @contextmanager
    def stream(self, address: str, start: int, tag: str | None) -> Iterator[httpx.Response]:
        """What lies at an address that needs no token, from its byte `start` on.

        tag: of what the first bytes were; whatever else lies there now comes from its beginning. Raises
        httpx.TransportError where the connection breaks.
        """
        headers = {"Range": f"bytes={start}-", "If-Range": tag} if start and tag else {}
        with self._bare.stream("GET", self._absolute(address), headers=headers) as response:
            if not response.is_success:
                response.read()
                raise StandaloneError(f"The download was answered {response.status_code}: {_reason(response)}")
            yield response

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

    def _absolute(self, address: str) -> str:
        return self._base_url + address if address.startswith("/") else address

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
