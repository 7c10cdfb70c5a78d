"""Exports and imports from the command line: the job, its bar, and the file that comes or goes."""

import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import httpx
from rich.console import Console

from fourpoint_standalone.job_bars import Seen, bytes_bar, followed
from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.rest_client import Json, RestClient

_CHUNK_BYTES = 1 << 20
_TRIES = 5
_TYPES = {
    ".json": "application/json",
    ".manifest": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".xml": "application/xml",
    ".zip": "application/zip",
}


def export(client: RestClient, dataset_id: str, order: Json, console: Console) -> Json:
    """Have a dataset exported; the finished export. Raises StandaloneError."""
    job = client.create(f"/datasets/{dataset_id}/exports", order)
    result = followed(client, job, console, _seen_of_export)
    return client.get(f"/datasets/{dataset_id}/exports/{result['export_id']}")


def _seen_of_export(said: Json) -> Seen | None:
    if "phase" not in said:
        return None
    return f"{said['phase']} images", said.get("done", 0), said.get("total")


def download(client: RestClient, made: Json, to: Path, console: Console) -> None:
    """Bring an archive into a file, which is there whole or not at all.

    Where the connection breaks, what has come is kept and the rest asked for. Raises StandaloneError.
    """
    part = to.with_name(to.name + ".part")
    with bytes_bar(console, "downloading", made["size_bytes"]) as advance, part.open("wb") as file:
        tag: str | None = None
        for tries_left in reversed(range(_TRIES)):
            try:
                with client.stream(made["download"]["url"], file.tell(), tag) as response:
                    tag = response.headers.get("ETag")
                    if response.status_code != httpx.codes.PARTIAL_CONTENT:
                        advance(-file.tell())
                        file.seek(0)
                        file.truncate()
                    for chunk in response.iter_bytes():
                        file.write(chunk)
                        advance(len(chunk))
                break
            except httpx.TransportError as error:
                if not tries_left:
                    raise StandaloneError(f"The download broke off: {error}") from error
                time.sleep(1)
    if part.stat().st_size != made["size_bytes"]:
        raise StandaloneError(f"{part} has {part.stat().st_size} bytes instead of {made['size_bytes']}.")
    part.replace(to)


def upload(client: RestClient, dataset_id: str, source: Path, console: Console) -> str:
    """Send a file, or a folder as an archive, for an import; the upload's id. Raises StandaloneError."""
    with ExitStack() as stack:
        if source.is_dir():
            file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
            name = f"{source.resolve().name}.zip"
            _pack(source, file)
        else:
            file, name = stack.enter_context(source.open("rb")), source.name
        kind = _TYPES.get(Path(name).suffix.lower())
        if kind is None:
            raise StandaloneError(f"{source} is no folder, and does not end with {', '.join(_TYPES)}.")
        size = file.seek(0, 2)
        slots = {"files": [{"name": name, "size_bytes": size, "content_type": kind}]}
        made = client.create(f"/datasets/{dataset_id}/uploads", slots)
        (slot,) = made["files"]
        with bytes_bar(console, "uploading", size) as advance:
            file.seek(0)
            headers = {**slot["headers"], "Content-Length": str(size)}
            client.write(slot["url"], headers, _chunks(file, advance))
    return str(made["id"])


def _pack(folder: Path, file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())


def _chunks(file: BinaryIO, advance: Callable[[int], None]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
        advance(len(chunk))


def bring_in(client: RestClient, dataset_id: str, order: Json, console: Console) -> tuple[Json, str]:
    """Have files imported; the job's result, and the address of its lines. Raises StandaloneError."""
    job = client.create(f"/datasets/{dataset_id}/imports", order)
    result = followed(client, job, console, _seen_of_import)
    return result, f"/datasets/{dataset_id}/imports/{job['id']}/lines"


def _seen_of_import(said: Json) -> Seen | None:
    return "images", said.get("images_seen", 0), None


def lines(client: RestClient, address: str, most: int) -> list[dict[str, Any]]:
    """The first lines that an import has to say of images that it refused."""
    found: list[dict[str, Any]] = client.get(address, outcome="refused", limit=str(most))["items"]
    return found
