"""Exports and imports from the command line: the job, its bar, and the file that comes or goes."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from fourpoint_client import Client, calls
from fourpoint_client.models import Export, ExportRequest, ImportRequest
from fourpoint_standalone.job_bars import Seen, bytes_bar, followed
from fourpoint_standalone.processes import StandaloneError


def export(client: Client, dataset_id: str, order: ExportRequest, console: Console) -> Export:
    """Have a dataset exported; the finished export."""
    job = client.call(calls.create_export(dataset_id, order))
    result = followed(client, job, console, _seen_of_export)
    return client.call(calls.get_export(dataset_id, result["export_id"]))


def _seen_of_export(said: dict[str, Any]) -> Seen | None:
    if "phase" not in said:
        return None
    return f"{said['phase']} images", said.get("done", 0), said.get("total")


def download(client: Client, address: str, to: Path, console: Console) -> None:
    """Bring an archive into a file, which is there whole or not at all."""
    with bytes_bar(console, "downloading") as heard:
        client.download(address, to, heard)


def upload(client: Client, dataset_id: str, source: Path, console: Console) -> str:
    """Send a file, or a folder as an archive, for an import; the upload's id. Raises StandaloneError."""
    with _one_file(source) as file, bytes_bar(console, "uploading") as heard:
        try:
            return client.hand_over(dataset_id, file, heard)["id"]
        except ValueError as error:
            raise StandaloneError(f"{source} is no folder, and {error}") from error


@contextmanager
def _one_file(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        yield source
        return
    with TemporaryDirectory(prefix="fourpoint-import-") as scratch:
        archive = Path(scratch, f"{source.resolve().name}.zip")
        _pack(source, archive)
        yield archive


def _pack(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())


def bring_in(client: Client, dataset_id: str, order: ImportRequest, console: Console) -> dict[str, Any]:
    """Have files imported; the job's result, with its id as `import_id`."""
    job = client.call(calls.create_import(dataset_id, order))
    return {**followed(client, job, console, _seen_of_import), "import_id": job["id"]}


def _seen_of_import(said: dict[str, Any]) -> Seen | None:
    return "images", said.get("images_seen", 0), None
