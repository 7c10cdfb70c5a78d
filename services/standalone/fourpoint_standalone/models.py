"""The checkpoints of the engine `sam` on this machine: which there are, fetching them, comparing them."""

from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from fourpoint_core.errors import SettingsError
from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.terminal import console
from fourpoint_worker.segmenter.sam.checkpoints import OFFICIAL, OfficialCheckpoint, fetch, models_directory
from fourpoint_worker.segmenter.sam.checkpoints import require_digest as require_file


def directory_of(named: Path | None) -> Path:
    """Where checkpoints are kept."""
    return models_directory("" if named is None else str(named))


def states(directory: Path) -> list[tuple[OfficialCheckpoint, str]]:
    """Every official checkpoint, and what is there of it; digests are not looked at."""
    return [
        (checkpoint, _state(directory / checkpoint.file_name, checkpoint)) for checkpoint in OFFICIAL.values()
    ]


def pull(model: str, directory: Path) -> Path:
    """Fetch a checkpoint, or go on with a download that broke. Raises StandaloneError."""
    checkpoint = OFFICIAL[model]
    path = directory / checkpoint.file_name
    if path.exists():
        return verify(path, checkpoint.sha256)
    columns = (TextColumn(checkpoint.file_name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console()) as progress:
        task = progress.add_task("", total=checkpoint.size_bytes)
        try:
            fetch(
                checkpoint.url,
                path,
                checkpoint.sha256,
                lambda there, of: progress.update(task, completed=there, total=of or checkpoint.size_bytes),
            )
        except SettingsError as error:
            raise StandaloneError(str(error)) from error
    return path


def verify_official(model: str, directory: Path) -> Path:
    """The file of an official checkpoint, if it is there and right. Raises StandaloneError."""
    return verify(directory / OFFICIAL[model].file_name, OFFICIAL[model].sha256)


def verify(path: Path, sha256: str) -> Path:
    """The file, if its bytes are the right ones. Raises StandaloneError."""
    try:
        require_file(path, sha256)
    except SettingsError as error:
        raise StandaloneError(f"{error} Remove it, and pull it again.") from error
    return path


def _state(path: Path, checkpoint: OfficialCheckpoint) -> str:
    if path.exists():
        return str(path)
    part = path.with_name(f"{path.name}.part")
    if part.exists():
        return f"{100 * part.stat().st_size // checkpoint.size_bytes} % fetched"
    return "-"
