"""Backup and restore as docs/deploy.md tells them: the database first, then the objects."""

import subprocess
from pathlib import Path

from tests.deploy.images import run
from tests.deploy.stack import PASSWORD, Stack

# What `mc mirror` does, in whichever direction; it runs in a container of the API's image, beside the store.
_COPY = """
import sys
from pathlib import Path
from minio import Minio
store = Minio("minio:9000", "fourpoint:fourpoint", sys.argv[1], secure=False, region="us-east-1")
root = Path("/backup")
if sys.argv[2] == "out":
    for item in store.list_objects("fourpoint", recursive=True):
        store.fget_object("fourpoint", item.object_name, str(root / item.object_name))
else:
    for path in root.rglob("*"):
        if path.is_file():
            store.fput_object("fourpoint", str(path.relative_to(root)), str(path))
"""


def back_up(stack: Stack, directory: Path) -> None:
    """Everything, while people go on labeling. Objects second: what the database speaks of is then there."""
    directory.mkdir()
    with (directory / "fourpoint.dump").open("wb") as file:
        command = ["podman", "exec", stack.full("postgres_1"), "pg_dump", "-U", "fourpoint", "-Fc", "fourpoint"]
        subprocess.run(command, check=True, stdout=file)
    _copy(stack, directory / "objects", "out")


def restore(stack: Stack, directory: Path) -> None:
    """Into a stack without data; whatever version made the backup, `migrate` comes next."""
    with (directory / "fourpoint.dump").open("rb") as file:
        command = ["podman", "exec", "-i", stack.full("postgres_1"), "pg_restore"]
        options = ["-U", "fourpoint", "-d", "fourpoint", "--exit-on-error", "--no-owner", "--no-privileges"]
        subprocess.run([*command, *options], check=True, stdin=file)
    _copy(stack, directory / "objects", "in")


def _copy(stack: Stack, directory: Path, way: str) -> None:
    directory.mkdir(exist_ok=True)
    directory.chmod(0o777)
    run(
        *("podman", "run", "--rm", "--network", f"{stack.name}_default", "-v", f"{directory}:/backup"),
        *("localhost/fourpoint-api:latest", "python", "-c", _COPY, PASSWORD, way),
    )
