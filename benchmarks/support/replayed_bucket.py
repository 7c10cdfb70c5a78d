"""A bucket whose listing is replayed from a file, page by page, as an S3 server answers it over HTTP.

So whoever lists it pays what listing a real one costs a client: requests, signatures, XML. All of its objects
are one and the same image, which is not sent over HTTP, so that all but the object store is measured.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from fourpoint_core.storage.s3_store import S3Store

PAGE = 1000
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>replayed</Name><Prefix></Prefix><Marker></Marker><MaxKeys>1000</MaxKeys>"
    "<IsTruncated>{truncated}</IsTruncated>"
)
_ENTRY = (
    "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    "<ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size><Owner><ID>test</ID><DisplayName>test</DisplayName></Owner>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
)


class Recording:
    """The pages of a listing in a file. Only where each begins is in memory."""

    def __init__(self, path: Path, objects: Iterator[tuple[str, str]], size: int):
        """objects: keys, in order, and tags. size: of each of them."""
        self._path = path
        # The key before each page, and the place of the page in the file.
        self._before: list[str] = []
        self._places: list[tuple[int, int]] = []
        with path.open("wb") as file:
            last, page = "", list[tuple[str, str]]()
            for each in objects:
                if len(page) == PAGE:
                    last = self._write(file, last, page, size, truncated=True)
                    page = []
                page.append(each)
            self._write(file, last, page, size, truncated=False)

    def page(self, marker: str) -> bytes:
        """What is listed behind a key, which is the last one of a page."""
        start, length = self._places[min(bisect_left(self._before, marker), len(self._places) - 1)]
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    def _write(self, file, last: str, page: list[tuple[str, str]], size: int, *, truncated: bool) -> str:  # type: ignore[no-untyped-def]
        entries = "".join(_ENTRY.format(key=key, etag=etag, size=size) for key, etag in page)
        body = _HEAD.format(truncated=str(truncated).lower()) + entries + "</ListBucketResult>"
        self._before.append(last)
        self._places.append((file.tell(), len(body)))
        file.write(body.encode())
        return page[-1][0] if page else last


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    recordings: dict[str, Recording]

    def do_GET(self) -> None:
        """A page of the bucket that the path names."""
        address = urlsplit(self.path)
        marker = parse_qs(address.query).get("marker", [""])[0]
        body = self.recordings[address.path.strip("/")].page(marker)
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def replaying(recordings: dict[str, Recording]) -> Iterator[str]:
    """Serve buckets by name; host and port."""
    handler = type("_Recorded", (_Handler,), {"recordings": recordings})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class ReplayedStore(S3Store):
    """The store of the service, but for the bytes of its objects: those are here."""

    def __init__(self, endpoint: str, bucket: str, data: bytes):
        super().__init__(
            endpoint=endpoint, bucket=bucket, access_key="a", secret_key="b", region="us-east-1", secure=False
        )
        self._data = data

    @contextmanager
    def open_range(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Iterator[bytes]]:
        """See ObjectStore."""
        yield iter([self._data[start : None if length is None else start + length]])

    def exists(self, key: str) -> bool:
        """Only what is missing from the listing is asked for."""
        return False

    def check(self) -> None:
        """See ObjectStore."""
