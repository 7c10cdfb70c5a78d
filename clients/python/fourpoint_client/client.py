"""The clients: every operation of the contract, and what a labeling program needs around them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from fourpoint_client import calls, flows
from fourpoint_client.flows import Flow, OpenDocument, Point, Retrying, Returned
from fourpoint_client.models import Dataset, DocumentItem, Inference, Job, UploadedSample
from fourpoint_client.requests import Call, Item, ListCall, Result

# Longer than a request is held.
_TIMEOUT_SECONDS = 60.0

Token = str | Callable[[], str]


@dataclass(frozen=True)
class Progress:
    """How far an upload has come."""

    files: int
    files_done: int
    bytes: int
    bytes_done: int


class _SignsIn(httpx.Auth):
    def __init__(self, token: Token):
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._token if isinstance(self._token, str) else self._token()
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


class Client:
    """A client of one service. Every call raises ProblemError where the service refuses something.

    base_url: without `/v1`. token: a function is asked before each request. transport: httpx's own by default.
    """

    def __init__(
        self,
        base_url: str,
        token: Token | None = None,
        *,
        retrying: Retrying | None = None,
        transport: httpx.BaseTransport | None = None,
    ):
        self._retrying = retrying or Retrying()
        auth = None if token is None else _SignsIn(token)
        self._http = httpx.Client(base_url=base_url, auth=auth, timeout=_TIMEOUT_SECONDS, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def call(self, call: Call[Result]) -> Result:
        """Any operation: `client.call(calls.create_dataset({"name": "Cats"}))`."""
        return self._run(flows.result(call, self._retrying))

    def items(self, call: ListCall[Any, Item]) -> Iterator[Item]:
        """Everything in a list, however many pages it has."""
        following: ListCall[Any, Item] | None = call
        while following is not None:
            page = self._run(flows.page(following, self._retrying))
            yield from page.items
            following = page.following

    def datasets(self) -> Iterator[Dataset]:
        """All datasets that the caller may see."""
        return self.items(calls.list_datasets())

    def upload(
        self,
        dataset_id: str,
        files: Path | Iterable[Path],
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> list[UploadedSample]:
        """Store the images of a folder, or these, in batches of which each is stored whole or not at all."""
        paths = flows.images_in(files)
        counted = _Counted(paths, on_progress)
        stored: list[UploadedSample] = []
        for batch in flows.batches(paths):
            stored += self._run(flows.upload(dataset_id, batch, self._retrying))
            counted.add(batch)
        return stored

    def click(
        self, sample_id: str, top: Point, bottom: Point, left: Point, right: Point, *, wait_seconds: int = 25
    ) -> Inference:
        """The outline between four extreme points, in pixels. wait_seconds: how long one request is held."""
        return self._run(flows.click(sample_id, top, bottom, left, right, wait_seconds, self._retrying))

    def wait(self, job: Job | str) -> Job:
        """The job when it has succeeded, however long it takes."""
        return self._run(flows.wait(job, self._retrying))

    def open(self, sample_id: str) -> OpenDocument:
        """The annotations of a sample, and the tag that a save needs."""
        return self._run(flows.open_document(sample_id, self._retrying))

    def save(self, opened: OpenDocument, items: Sequence[DocumentItem]) -> OpenDocument:
        """Replace the annotations: `{"id": …}` keeps one as it is. Raises StaleError after another save."""
        return self._run(flows.save(opened, items, self._retrying))

    def _run(self, flow: Flow[Returned]) -> Returned:
        answer: flows.Answer = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as done:
                returned: Returned = done.value
                return returned
            if isinstance(step, flows.Pause):
                time.sleep(step.seconds)
                answer = None
                continue
            try:
                answer = self._http.request(**flows.request_of(step))
            except httpx.TransportError as error:
                answer = error


class AsyncClient:
    """`Client` for programs that use asyncio."""

    def __init__(
        self,
        base_url: str,
        token: Token | None = None,
        *,
        retrying: Retrying | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ):
        self._retrying = retrying or Retrying()
        auth = None if token is None else _SignsIn(token)
        self._http = httpx.AsyncClient(
            base_url=base_url, auth=auth, timeout=_TIMEOUT_SECONDS, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def call(self, call: Call[Result]) -> Result:
        """Any operation: `await client.call(calls.create_dataset({"name": "Cats"}))`."""
        return await self._run(flows.result(call, self._retrying))

    async def items(self, call: ListCall[Any, Item]) -> AsyncIterator[Item]:
        """Everything in a list, however many pages it has."""
        following: ListCall[Any, Item] | None = call
        while following is not None:
            page = await self._run(flows.page(following, self._retrying))
            for item in page.items:
                yield item
            following = page.following

    def datasets(self) -> AsyncIterator[Dataset]:
        """All datasets that the caller may see."""
        return self.items(calls.list_datasets())

    async def upload(
        self,
        dataset_id: str,
        files: Path | Iterable[Path],
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> list[UploadedSample]:
        """Store the images of a folder, or these, in batches of which each is stored whole or not at all."""
        paths = flows.images_in(files)
        counted = _Counted(paths, on_progress)
        stored: list[UploadedSample] = []
        for batch in flows.batches(paths):
            stored += await self._run(flows.upload(dataset_id, batch, self._retrying))
            counted.add(batch)
        return stored

    async def click(
        self, sample_id: str, top: Point, bottom: Point, left: Point, right: Point, *, wait_seconds: int = 25
    ) -> Inference:
        """The outline between four extreme points, in pixels. wait_seconds: how long one request is held."""
        return await self._run(flows.click(sample_id, top, bottom, left, right, wait_seconds, self._retrying))

    async def wait(self, job: Job | str) -> Job:
        """The job when it has succeeded, however long it takes."""
        return await self._run(flows.wait(job, self._retrying))

    async def open(self, sample_id: str) -> OpenDocument:
        """The annotations of a sample, and the tag that a save needs."""
        return await self._run(flows.open_document(sample_id, self._retrying))

    async def save(self, opened: OpenDocument, items: Sequence[DocumentItem]) -> OpenDocument:
        """Replace the annotations: `{"id": …}` keeps one as it is. Raises StaleError after another save."""
        return await self._run(flows.save(opened, items, self._retrying))

    async def _run(self, flow: Flow[Returned]) -> Returned:
        answer: flows.Answer = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as done:
                returned: Returned = done.value
                return returned
            if isinstance(step, flows.Pause):
                await asyncio.sleep(step.seconds)
                answer = None
                continue
            try:
                answer = await self._http.request(**flows.request_of(step))
            except httpx.TransportError as error:
                answer = error


class _Counted:
    def __init__(self, paths: Sequence[Path], on_progress: Callable[[Progress], None]):
        self._on_progress = on_progress
        self._files = len(paths)
        self._bytes = _size(paths)
        self._files_done = 0
        self._bytes_done = 0

    def add(self, batch: Sequence[Path]) -> None:
        self._files_done += len(batch)
        self._bytes_done += _size(batch)
        self._on_progress(Progress(self._files, self._files_done, self._bytes, self._bytes_done))


def _size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)
