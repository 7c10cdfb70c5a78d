"""Checkpoints from a real HTTP server: fetched whole, gone on with, and taken only by their digest."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.sam.checkpoints import OFFICIAL, fetch, locate, models_directory

DATA = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(DATA).hexdigest()


class Server:
    """Serves DATA with ranges. dies_after: bytes after which a connection breaks; ranges: those asked for.

    pause_seconds: after each MiB.
    """

    def __init__(self) -> None:
        self.dies_after: int | None = None
        self.pause_seconds = 0.0
        self.knows_ranges = True
        self.data = DATA
        self.ranges: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/models/tiny.pth"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        if not request.path.endswith("tiny.pth"):
            request.send_error(404)
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        start = int(match[1]) if match and self.knows_ranges else 0
        if start >= len(self.data):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(self.data) - start))
        request.end_headers()
        end = len(self.data) if self.dies_after is None else start + self.dies_after
        for first in range(start, min(end, len(self.data)), 2**20):
            request.wfile.write(self.data[first : min(end, first + 2**20)])
            time.sleep(self.pause_seconds)
        request.close_connection = True

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


def test_a_checkpoint_is_fetched_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    fetch(server.url, tmp_path / "models" / "tiny.pth", DIGEST, lambda there, of: seen.append((there, of)))
    assert (tmp_path / "models" / "tiny.pth").read_bytes() == DATA
    assert seen[0] == (0, len(DATA)) and seen[-1] == (len(DATA), len(DATA))


def test_a_download_that_broke_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.dies_after = 2_000_000
    with pytest.raises(SettingsError, match=r"Try again: what has arrived stays in .*\.part"):
        fetch(server.url, tmp_path / "tiny.pth", DIGEST)
    assert not (tmp_path / "tiny.pth").exists()
    there = (tmp_path / "tiny.pth.part").stat().st_size
    assert 0 < there < len(DATA)
    server.dies_after = None
    fetch(server.url, tmp_path / "tiny.pth", DIGEST)
    assert (tmp_path / "tiny.pth").read_bytes() == DATA
    assert server.ranges[-1] == f"bytes={there}-"


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "tiny.pth.part").write_bytes(DATA[:1000])
    server.knows_ranges = False
    fetch(server.url, tmp_path / "tiny.pth", DIGEST)
    assert (tmp_path / "tiny.pth").read_bytes() == DATA


def test_a_download_that_died_after_its_last_byte_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "tiny.pth.part").write_bytes(DATA)
    fetch(server.url, tmp_path / "tiny.pth", DIGEST)
    assert (tmp_path / "tiny.pth").read_bytes() == DATA


def test_of_two_who_fetch_the_same_at_once_one_does_and_both_have_it(server: Server, tmp_path: Path) -> None:
    """Two workers start with one volume for their models."""
    server.pause_seconds = 0.05
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: locate(server.url, DIGEST, "", tmp_path), range(2)))
    assert found == [(tmp_path / "tiny.pth", DIGEST)] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pth"]
    assert len(server.ranges) == 1


def test_other_bytes_than_the_digest_says_are_removed(server: Server, tmp_path: Path) -> None:
    server.data = DATA[:-1] + b"?"
    with pytest.raises(SettingsError, match="SHA-256"):
        fetch(server.url, tmp_path / "tiny.pth", DIGEST)
    assert list(tmp_path.iterdir()) == []


def test_an_address_without_a_file_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="answers 404"):
        fetch(server.url.replace("tiny", "none"), tmp_path / "tiny.pth", DIGEST)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="could not be fetched"):
        fetch("http://127.0.0.1:1/tiny.pth", tmp_path / "tiny.pth", DIGEST)


def test_a_checkpoint_from_a_url_is_fetched_once(server: Server, tmp_path: Path) -> None:
    first = locate(server.url, DIGEST, "", tmp_path)
    assert first == (tmp_path / "tiny.pth", DIGEST)
    assert locate(server.url, DIGEST, "", tmp_path) == first
    assert len(server.ranges) == 1


def test_a_fetched_file_that_was_damaged_since_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "tiny.pth").write_bytes(b"cut short")
    path, _ = locate(server.url, DIGEST, "", tmp_path)
    assert path.read_bytes() == DATA


def test_a_checkpoint_from_a_url_needs_its_digest(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FOURPOINT_SAM_SHA256"):
        locate(server.url, "", "", tmp_path)
    assert server.ranges == []


def test_a_file_is_taken_as_it_is_where_no_digest_is_asked(tmp_path: Path) -> None:
    (tmp_path / "own.pth").write_bytes(DATA)
    assert locate(str(tmp_path / "own.pth"), "", "", tmp_path) == (tmp_path / "own.pth", DIGEST)


def test_a_file_of_another_digest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.pth").write_bytes(b"another")
    with pytest.raises(SettingsError, match="another file than asked for"):
        locate(str(tmp_path / "own.pth"), DIGEST, "", tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.pth cannot be read"):
        locate(str(tmp_path / "none.pth"), "", "", tmp_path)


def test_an_official_checkpoint_is_named_by_its_model_alone(tmp_path: Path) -> None:
    """The file is in place already; what is asked for is that the service knows where and which."""
    official = OFFICIAL["vit_b"]
    (tmp_path / official.file_name).write_bytes(b"not quite")
    with pytest.raises(SettingsError, match=r"vit_q.*vit_b"):
        locate("", "", "vit_q", tmp_path)
    assert official.file_name == "sam_vit_b_01ec64.pth"
    assert all(len(found.sha256) == 64 for found in OFFICIAL.values())


def test_models_lie_where_configuration_says_or_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert models_directory("/srv/models") == Path("/srv/models")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert models_directory() == tmp_path / "fourpoint" / "models"
