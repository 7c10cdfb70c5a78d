"""A download that breaks off is gone on with, and what changed meanwhile is begun anew."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from fourpoint_standalone import transfers
from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.rest_client import RestClient

ARCHIVE = bytes(range(256)) * 40


class Breaking(BaseHTTPRequestHandler):
    """Closes the connection in the middle of the first answer; the second begins where it is asked to."""

    changes = False

    def do_GET(self) -> None:
        """Half of it, or the rest."""
        server: Server = self.server  # type: ignore[assignment]
        wanted = self.headers.get("Range")
        server.asked.append((wanted, self.headers.get("If-Range")))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not self.changes else 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(ARCHIVE) - start))
        self.end_headers()
        stop = len(ARCHIVE) // 2 if len(server.asked) <= server.breaks else len(ARCHIVE)
        self.wfile.write(ARCHIVE[start:stop])

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Changing(Breaking):
    """Has another archive by the time it is asked again."""

    changes = True


class Server(ThreadingHTTPServer):
    """breaks: how many answers are cut off. asked: `Range` and `If-Range` of each request."""

    breaks = 1
    asked: list[tuple[str | None, str | None]]


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Breaking)
    running.asked = []
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers.time, "sleep", lambda seconds: None)


def downloaded(server: Server, to: Path) -> bytes:
    client = RestClient(f"http://127.0.0.1:{server.server_port}", "token")
    made = {"size_bytes": len(ARCHIVE), "download": {"url": "/archive"}}
    transfers.download(client, made, to, Console(quiet=True))
    client.close()
    return to.read_bytes()


def test_what_has_come_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    assert downloaded(server, tmp_path / "a.zip") == ARCHIVE
    assert server.asked == [(None, None), (f"bytes={len(ARCHIVE) // 2}-", '"one"')]


def test_an_archive_that_changed_meanwhile_is_begun_anew(server: Server, tmp_path: Path) -> None:
    server.RequestHandlerClass = Changing
    assert downloaded(server, tmp_path / "a.zip") == ARCHIVE


def test_one_that_breaks_off_again_and_again_leaves_no_file_of_that_name(
    server: Server, tmp_path: Path
) -> None:
    server.breaks = 100
    server.RequestHandlerClass = Changing
    with pytest.raises(StandaloneError, match="broke off"):
        downloaded(server, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
