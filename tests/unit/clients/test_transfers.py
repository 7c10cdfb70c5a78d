"""Transfers of the Python client, over connections that break."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fourpoint_client import AsyncClient, Client, ProblemError, Progress, Retrying, TransportError, transfers

ARCHIVE = bytes(range(256)) * 4096
HALF = len(ARCHIVE) // 2
SWIFT = Retrying(attempts=4, first_pause=0.001, longest_pause=0.002)
Download = Callable[..., None]


class Breaking(BaseHTTPRequestHandler):
    """Closes the connection in the middle of the first answers; the next begins where it is asked to."""

    changes = False

    def do_GET(self) -> None:
        """Half of it, or the rest."""
        server: Server = self.server  # type: ignore[assignment]
        wanted = self.headers.get("Range")
        server.asked.append((wanted, self.headers.get("If-Range"), self.headers.get("Authorization")))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not self.changes else 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(ARCHIVE) - start))
        self.end_headers()
        stop = HALF if len(server.asked) <= server.breaks else len(ARCHIVE)
        self.wfile.write(ARCHIVE[start:stop])

    def do_POST(self) -> None:
        """A slot for what is announced, and a sample of what was sent there."""
        self.rfile.read(int(self.headers["Content-Length"]))
        slot = {"name": "a.zip", "size_bytes": len(ARCHIVE), "url": "/slot", "headers": {"X-Signed": "1"}}
        answers = {"uploads": {"id": "upload", "files": [slot]}, "register": {"items": [{"id": "sample"}]}}
        answer = json.dumps(answers[self.path.rpartition("/")[2]]).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_PUT(self) -> None:
        """Half of it is read, or all."""
        server: Server = self.server  # type: ignore[assignment]
        server.asked.append((self.headers["X-Signed"], None, self.headers.get("Authorization")))
        if len(server.asked) <= server.breaks:
            self.rfile.read(HALF)
            self.close_connection = True
            return
        server.written = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Changing(Breaking):
    """Has another archive by the time it is asked again."""

    changes = True


class Elsewhere(Breaking):
    """Has it at another address."""

    def do_GET(self) -> None:
        """Say so."""
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(ThreadingHTTPServer):
    """breaks: how many answers are cut off. asked: `Range`, `If-Range` and `Authorization` of each request."""

    breaks = 1
    written = b""
    asked: list[tuple[str | None, str | None, str | None]]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Breaking)
    running.asked = []
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def download_at_once(server: Server, to: Path, heard: Callable[[Progress], None] = print) -> None:
    with Client(server.url, "token", retrying=SWIFT) as client:
        client.download("/archive", to, heard)


def download_meanwhile(server: Server, to: Path, heard: Callable[[Progress], None] = print) -> None:
    async def run() -> None:
        async with AsyncClient(server.url, "token", retrying=SWIFT) as client:
            await client.download("/archive", to, heard)

    asyncio.run(run())


@pytest.fixture(params=[download_at_once, download_meanwhile])
def download(request: pytest.FixtureRequest) -> Download:
    chosen: Download = request.param
    return chosen


def test_what_has_come_is_not_asked_for_again(server: Server, download: Download, tmp_path: Path) -> None:
    download(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == ARCHIVE
    assert [asked[:2] for asked in server.asked] == [(None, None), (f"bytes={HALF}-", '"one"')]


def test_an_archive_that_changed_meanwhile_is_begun_anew(
    server: Server, download: Download, tmp_path: Path
) -> None:
    server.RequestHandlerClass = Changing
    heard: list[Progress] = []
    download(server, tmp_path / "a.zip", heard.append)
    assert (tmp_path / "a.zip").read_bytes() == ARCHIVE
    assert heard[-1] == Progress(1, 1, len(ARCHIVE), len(ARCHIVE))


def test_one_that_breaks_off_again_and_again_leaves_no_file(
    server: Server, download: Download, tmp_path: Path
) -> None:
    server.breaks = 100
    server.RequestHandlerClass = Changing
    with pytest.raises(TransportError):
        download(server, tmp_path / "a.zip")
    assert len(server.asked) == SWIFT.attempts
    assert not list(tmp_path.iterdir())


def test_one_that_lies_elsewhere_is_refused_with_its_place(
    server: Server, download: Download, tmp_path: Path
) -> None:
    server.RequestHandlerClass = Elsewhere
    with pytest.raises(ProblemError, match="It leads to /elsewhere"):
        download(server, tmp_path / "a.zip")
    assert not list(tmp_path.iterdir())


def test_a_file_is_sent_anew_where_the_connection_breaks(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(ARCHIVE)
    heard: list[Progress] = []
    with Client(server.url, "token", retrying=SWIFT) as client:
        assert client.hand_over("dataset", tmp_path / "a.zip", heard.append)["id"] == "upload"
    assert server.written == ARCHIVE
    assert heard[-1] == Progress(1, 1, len(ARCHIVE), len(ARCHIVE))


def test_an_image_that_is_too_large_for_one_request_goes_past_the_api(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "BATCH_BYTES", len(ARCHIVE) - 1)
    (tmp_path / "a.png").write_bytes(ARCHIVE)
    with Client(server.url, retrying=SWIFT) as client:
        assert client.upload("dataset", tmp_path) == [{"id": "sample"}]
    assert server.written == ARCHIVE


def test_signed_addresses_are_not_told_the_token(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(ARCHIVE)
    with Client(server.url, "token", retrying=SWIFT) as client:
        client.download("/archive", tmp_path / "b.zip")
        client.hand_over("dataset", tmp_path / "a.zip")
    assert {authorization for *_, authorization in server.asked} == {None}


def test_what_no_slot_is_made_for_is_not_sent(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    with Client(server.url) as client, pytest.raises(ValueError, match=r"a\.txt does not end with"):
        client.hand_over("dataset", tmp_path / "a.txt")


@pytest.mark.parametrize("address", ["nonsense", "ftp://example.org", "http://", "http://[::"])
def test_what_is_no_address_is_said_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        Client(address)


def test_the_machine_itself_is_reached_past_a_proxy(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    download_at_once(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == ARCHIVE
