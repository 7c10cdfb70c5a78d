"""The clients: every operation of the contract, and what a labeling program needs around them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from fourpoint_client import calls, flows, transfers
from fourpoint_client.connecting import Token, options
from fourpoint_client.flows import Flow, OpenDocument, Point, Retrying, Returned
from fourpoint_client.models import Dataset, DirectUpload, DocumentItem, Inference, Job, UploadedSample
from fourpoint_client.progress import Listener, unheard
from fourpoint_client.requests import Call, Item, ListCall, Put, Result


class Client:
    """A client of one service. Every call raises ProblemError where the service refuses something.

    base_url: without `/v1`; ValueError where it is no address. token: a function is asked before each request.
    transport: httpx's own by default.
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
        self._http = httpx.Client(**options(base_url, token), transport=transport)

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
        for page in self.pages(call):
            yield from page["items"]

    def pages(self, call: ListCall[Result, Any]) -> Iterator[Result]:
        """A list page by page, for what the pages say beside their items."""
        following: ListCall[Result, Any] | None = call
        while following is not None:
            page = self._run(flows.page(following, self._retrying))
            yield page.body
            following = page.following

    def datasets(self) -> Iterator[Dataset]:
        """All datasets that the caller may see."""
        return self.items(calls.list_datasets())

    def upload(
        self, dataset_id: str, files: Path | Iterable[Path], on_progress: Listener = unheard
    ) -> list[UploadedSample]:
        """Store the images of a folder, or these, in batches of which each is stored whole or not at all."""
        return self._run(transfers.upload(dataset_id, files, on_progress, self._retrying))

    def hand_over(self, dataset_id: str, file: Path, on_progress: Listener = unheard) -> DirectUpload:
        """Send a file for an import, of any size, straight to the object store: its `id` is the `upload_id`."""
        return self._run(transfers.hand_over(dataset_id, file, on_progress, self._retrying))

    def download(self, address: str, to: Path, on_progress: Listener = unheard) -> None:
        """Bring an archive into a file, whole or not at all. address: an export's `["download"]["url"]`.

        What has come before the connection breaks is not asked for again.
        """
        self._run(transfers.download(address, to, on_progress, self._retrying))

    def click(
        self,
        sample_id: str,
        top: Point,
        bottom: Point,
        left: Point,
        right: Point,
        *,
        label: str | None = None,
        wait_seconds: int = 25,
    ) -> Inference:
        """The outline between four extreme points, in pixels.

        label: to add it to the sample's annotations under this. wait_seconds: how long one request is held.
        """
        return self._run(flows.click(sample_id, top, bottom, left, right, label, wait_seconds, self._retrying))

    def wait(self, job: Job | str, on_progress: Callable[[Job], None] | None = None) -> Job:
        """The job when it has succeeded, however long it takes. on_progress: is shown it twice a second."""
        return self._run(flows.wait(job, on_progress, self._retrying))

    def open(self, sample_id: str) -> OpenDocument:
        """The annotations of a sample, and the tag that a save needs."""
        return self._run(flows.open_document(sample_id, self._retrying))

    def save(self, opened: OpenDocument, items: Sequence[DocumentItem]) -> OpenDocument:
        """Replace the annotations: `{"id": …}` keeps one as it is. Raises StaleError after another save."""
        return self._run(flows.save(opened, items, self._retrying))

    def _run(self, flow: Flow[Returned]) -> Returned:
        answer: flows.Answer = None
        with closing(flow):
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
                    answer = self._answer(step)
                except httpx.TransportError as error:
                    answer = error

    def _answer(self, sent: flows.Sent) -> httpx.Response:
        if isinstance(sent, Call):
            return self._http.request(**flows.request_of(sent))
        if isinstance(sent, Put):
            return self._http.request("PUT", sent.url, headers=sent.headers, content=sent.pieces, auth=None)
        with self._http.stream("GET", sent.url, headers=sent.into.wanted(), auth=None) as response:
            if not response.is_success:
                response.read()
                return response
            sent.into.begin(response)
            for piece in response.iter_raw():
                sent.into.take(piece)
        return response


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
        self._http = httpx.AsyncClient(**options(base_url, token), transport=transport)

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
        async for page in self.pages(call):
            for item in page["items"]:
                yield item

    async def pages(self, call: ListCall[Result, Any]) -> AsyncIterator[Result]:
        """A list page by page, for what the pages say beside their items."""
        following: ListCall[Result, Any] | None = call
        while following is not None:
            page = await self._run(flows.page(following, self._retrying))
            yield page.body
            following = page.following

    def datasets(self) -> AsyncIterator[Dataset]:
        """All datasets that the caller may see."""
        return self.items(calls.list_datasets())

    async def upload(
        self, dataset_id: str, files: Path | Iterable[Path], on_progress: Listener = unheard
    ) -> list[UploadedSample]:
        """Store the images of a folder, or these, in batches of which each is stored whole or not at all."""
        return await self._run(transfers.upload(dataset_id, files, on_progress, self._retrying))

    async def hand_over(self, dataset_id: str, file: Path, on_progress: Listener = unheard) -> DirectUpload:
        """Send a file for an import, of any size, straight to the object store: its `id` is the `upload_id`."""
        return await self._run(transfers.hand_over(dataset_id, file, on_progress, self._retrying))

    async def download(self, address: str, to: Path, on_progress: Listener = unheard) -> None:
        """Bring an archive into a file, whole or not at all. address: an export's `["download"]["url"]`.

        What has come before the connection breaks is not asked for again.
        """
        await self._run(transfers.download(address, to, on_progress, self._retrying))

    async def click(
        self,
        sample_id: str,
        top: Point,
        bottom: Point,
        left: Point,
        right: Point,
        *,
        label: str | None = None,
        wait_seconds: int = 25,
    ) -> Inference:
        """The outline between four extreme points, in pixels.

        label: to add it to the sample's annotations under this. wait_seconds: how long one request is held.
        """
        return await self._run(
            flows.click(sample_id, top, bottom, left, right, label, wait_seconds, self._retrying)
        )

    async def wait(self, job: Job | str, on_progress: Callable[[Job], None] | None = None) -> Job:
        """The job when it has succeeded, however long it takes. on_progress: is shown it twice a second."""
        return await self._run(flows.wait(job, on_progress, self._retrying))

    async def open(self, sample_id: str) -> OpenDocument:
        """The annotations of a sample, and the tag that a save needs."""
        return await self._run(flows.open_document(sample_id, self._retrying))

    async def save(self, opened: OpenDocument, items: Sequence[DocumentItem]) -> OpenDocument:
        """Replace the annotations: `{"id": …}` keeps one as it is. Raises StaleError after another save."""
        return await self._run(flows.save(opened, items, self._retrying))

    async def _run(self, flow: Flow[Returned]) -> Returned:
        answer: flows.Answer = None
        with closing(flow):
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
                    answer = await self._answer(step)
                except httpx.TransportError as error:
                    answer = error

    async def _answer(self, sent: flows.Sent) -> httpx.Response:
        if isinstance(sent, Call):
            return await self._http.request(**flows.request_of(sent))
        if isinstance(sent, Put):
            content = _one_by_one(sent.pieces)
            return await self._http.request("PUT", sent.url, headers=sent.headers, content=content, auth=None)
        async with self._http.stream("GET", sent.url, headers=sent.into.wanted(), auth=None) as response:
            if not response.is_success:
                await response.aread()
                return response
            sent.into.begin(response)
            async for piece in response.aiter_raw():
                sent.into.take(piece)
        return response


async def _one_by_one(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
