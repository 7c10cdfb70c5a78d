"""`fourpoint versions …`: publish, list, compare, make current, delete and restore over the REST API."""

import contextlib
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from fourpoint_standalone.api_options import of_dataset
from fourpoint_standalone.processes import StandaloneError

if TYPE_CHECKING:
    from fourpoint_standalone.rest_client import Json, RestClient

_KINDS = ("added", "changed", "removed")
_COUNTED = ("restored", "brought_back", "set_aside", "kept", "gone", "missing", "resized")


@click.group()
def versions() -> None:
    """Published versions of a DATASET, which is named by name or id; so is a VERSION."""


def _with_client(command: Callable[..., Any]) -> Callable[..., Any]:
    """As `of_dataset`, with the dataset's address as `base`."""

    @functools.wraps(command)
    def based(client: "RestClient", dataset_id: str, **options: Any) -> Any:
        return command(client=client, base=f"/datasets/{dataset_id}", **options)

    return of_dataset(based)


@versions.command()
@_with_client
@click.option("--name", help="1 to 32 letters, digits, `_` and `-`; by default the next of V001, V002 …")
@click.option("--description", default="", help="What is in it.")
@click.option("--write-output", is_flag=True, help="Also write it below the dataset's output path.")
def publish(client: "RestClient", base: str, name: str | None, description: str, write_output: bool) -> None:
    """Publish the working state of DATASET."""
    body = {"name": name, "description": description, "write_output": write_output}
    result = _run(client, f"{base}/versions", body, "publishing")
    click.echo(
        f"{result['name']}: {result['samples']} images, {result['labeled']} labeled, "
        f"{result['annotations']} objects"
    )
    if result["export_job_id"] is not None:
        click.echo(f"Its files are written by the job {result['export_job_id']}.")


@versions.command("list")
@_with_client
@click.option("--deleted", is_flag=True, help="Those that were deleted and can be restored.")
def list_versions(client: "RestClient", base: str, deleted: bool) -> None:
    """List the versions of DATASET; a star marks the current one."""
    for found in _all(client, base, deleted=deleted):
        mark = "*" if found["is_current"] else " "
        counts = "" if found["samples"] is None else f"{found['samples']:>9} images"
        when = found["published_at"] or found["created_at"]
        click.echo(f"{mark} {found['name']:32} {found['state']:10} {counts:16} {when[:16]}  {found['id']}")
    if not deleted and client.get(base)["has_unpublished_changes"]:
        click.echo("There are changes that are not published.")


@versions.command()
@_with_client
@click.argument("version", required=False)
@click.option("--since", help="The version to compare with; by default the one before, or the current one.")
def compare(client: "RestClient", base: str, version: str | None, since: str | None) -> None:
    """Say what makes VERSION, or the working state, of another version of DATASET."""
    address = base if version is None else f"{base}/versions/{find_version(client, base, version)}"
    query = {"limit": "1000", "count": "exact"}
    if since is not None:
        query["since"] = find_version(client, base, since)
    page = client.get(f"{address}/changes", **query)
    counts = page["counts"]
    for noun in ("samples", "annotations"):
        said = ", ".join(f"{counts[noun][kind]} {kind}" for kind in _KINDS)
        click.echo(f"{noun}: {said}")
    for label in page["labels"]:
        names = [label[side]["name"] if label[side] else "nothing" for side in ("before", "after")]
        click.echo(f"label {names[0]} -> {names[1]}")
    while True:
        for one in page["items"]:
            drawn = " ".join(
                f"{sign}{one['annotations'][kind]}" for sign, kind in zip("+~-", _KINDS, strict=True)
            )
            click.echo(f"{one['change']:8} {one['name']}  {drawn}  {one['sample_id']}")
        if page["next_cursor"] is None:
            return
        page = client.get(f"{address}/changes", **query | {"cursor": page["next_cursor"]})


@versions.command("set-current")
@_with_client
@click.argument("version")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
def set_current(client: "RestClient", base: str, version: str, dry_run: bool) -> None:
    """Work on VERSION of DATASET again; what is not published is published first."""
    address = f"{base}/versions/{find_version(client, base, version)}/set-current"
    if dry_run:
        result = client.create(f"{address}?dry_run=true", {})
        if result["publishes_first"]:
            click.echo("What is not published would be published first.")
    else:
        result = _run(client, address, {}, "switching")
        if result["published_version_id"] is not None:
            saved = client.get(f"{base}/versions/{result['published_version_id']}")
            click.echo(f"What was not published is {saved['name']}.")
    for name in _COUNTED:
        if result.get(f"samples_{name}"):
            click.echo(f"{name.replace('_', ' '):>14} {result[f'samples_{name}']}")


@versions.command()
@_with_client
@click.argument("version")
def delete(client: "RestClient", base: str, version: str) -> None:
    """Delete VERSION of DATASET; for some days it can be restored."""
    client.remove(f"{base}/versions/{find_version(client, base, version)}")
    click.echo(f"Deleted {version}.")


@versions.command()
@_with_client
@click.argument("version")
def restore(client: "RestClient", base: str, version: str) -> None:
    """Bring back VERSION of DATASET, which was deleted."""
    version_id = find_version(client, base, version, deleted=True)
    found = client.create(f"{base}/versions/{version_id}/restore", {})
    click.echo(f"Restored {found['name']}.")


def _all(client: "RestClient", base: str, *, deleted: bool = False) -> "list[Json]":
    query = {"deleted": "true"} if deleted else {}
    return list(client.items(f"{base}/versions", **query))


def find_version(client: "RestClient", base: str, version: str, *, deleted: bool = False) -> str:
    """The id of a version that is named by its id or its name. Raises StandaloneError."""
    with contextlib.suppress(ValueError):
        return str(UUID(version))
    found = [one["id"] for one in _all(client, base, deleted=deleted) if one["name"] == version]
    if not found:
        raise StandaloneError(
            f"The dataset has no version named {version!r}; `fourpoint versions list` names them."
        )
    return str(found[-1])


def _run(client: "RestClient", path: str, body: "Json", doing: str) -> "Json":
    from fourpoint_standalone.terminal import Progress, console  # noqa: PLC0415

    with Progress(console()) as progress:
        job = client.create(path, body)
        return client.result_of(job, lambda now: progress(f"{doing}{_how_far(now['progress'])}"))


def _how_far(progress: "Json | None") -> str:
    done = {name: n for name, n in (progress or {}).items() if isinstance(n, int) and n}
    said = ", ".join(f"{n} {name.removeprefix('samples_').replace('_', ' ')}" for name, n in done.items())
    return f": {said}" if said else ""
