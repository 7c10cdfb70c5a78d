"""`fourpoint versions …`: publish, list, compare, make current, delete and restore over the REST API."""

import contextlib
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

import click

from fourpoint_standalone.api_options import of_dataset
from fourpoint_standalone.processes import StandaloneError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fourpoint_client import Client
    from fourpoint_client.models import Comparison, Job, Version
    from fourpoint_client.requests import ListCall

_KINDS: tuple[Literal["added", "changed", "removed"], ...] = ("added", "changed", "removed")
_PAGE = 1000
_COUNTED = ("restored", "brought_back", "set_aside", "kept", "gone", "missing", "resized")


@click.group()
def versions() -> None:
    """Published versions of a DATASET, which is named by name or id; so is a VERSION."""


@versions.command()
@of_dataset
@click.option("--name", help="1 to 32 letters, digits, `_` and `-`; by default the next of V001, V002 …")
@click.option("--description", default="", help="What is in it.")
@click.option("--write-output", is_flag=True, help="Also write it below the dataset's output path.")
def publish(client: "Client", dataset_id: str, name: str | None, description: str, write_output: bool) -> None:
    """Publish the working state of DATASET."""
    from fourpoint_client import calls  # noqa: PLC0415

    wanted = calls.publish_version(
        dataset_id, {"name": name, "description": description, "write_output": write_output}
    )
    result = _result(client, client.call(wanted), "publishing")
    click.echo(
        f"{result['name']}: {result['samples']} images, {result['labeled']} labeled, "
        f"{result['annotations']} objects"
    )
    if result["export_job_id"] is not None:
        click.echo(f"Its files are written by the job {result['export_job_id']}.")


@versions.command("list")
@of_dataset
@click.option("--deleted", is_flag=True, help="Those that were deleted and can be restored.")
def list_versions(client: "Client", dataset_id: str, deleted: bool) -> None:
    """List the versions of DATASET; a star marks the current one."""
    from fourpoint_client import calls  # noqa: PLC0415

    for found in _all(client, dataset_id, deleted=deleted):
        mark = "*" if found["is_current"] else " "
        counts = "" if found["samples"] is None else f"{found['samples']:>9} images"
        when = found["published_at"] or found["created_at"]
        click.echo(f"{mark} {found['name']:32} {found['state']:10} {counts:16} {when[:16]}  {found['id']}")
    if not deleted and client.call(calls.get_dataset(dataset_id))["has_unpublished_changes"]:
        click.echo("There are changes that are not published.")


@versions.command()
@of_dataset
@click.argument("version", required=False)
@click.option("--since", help="The version to compare with; by default the one before, or the current one.")
def compare(client: "Client", dataset_id: str, version: str | None, since: str | None) -> None:
    """Say what makes VERSION, or the working state, of another version of DATASET."""
    for number, page in enumerate(client.pages(_comparison(client, dataset_id, version, since))):
        if number == 0:
            _say_in_sum(page)
        for one in page["items"]:
            drawn = " ".join(
                f"{sign}{one['annotations'][kind]}" for sign, kind in zip("+~-", _KINDS, strict=True)
            )
            click.echo(f"{one['change']:8} {one['name']}  {drawn}  {one['sample_id']}")


def _comparison(
    client: "Client", dataset_id: str, version: str | None, since: str | None
) -> "ListCall[Comparison, Any]":
    from fourpoint_client import calls  # noqa: PLC0415

    than = None if since is None else find_version(client, dataset_id, since)
    if version is None:
        return calls.compare_working_state(dataset_id, since=than, limit=_PAGE, count="exact")
    version_id = find_version(client, dataset_id, version)
    return calls.compare_versions(dataset_id, version_id, since=than, limit=_PAGE, count="exact")


def _say_in_sum(page: "Comparison") -> None:
    counts = page["counts"]
    for noun, counted in (("samples", counts["samples"]), ("annotations", counts["annotations"])):
        click.echo(f"{noun}: " + ", ".join(f"{counted[kind]} {kind}" for kind in _KINDS))
    for label in page["labels"]:
        names = [side["name"] if side else "nothing" for side in (label["before"], label["after"])]
        click.echo(f"label {names[0]} -> {names[1]}")


@versions.command("set-current")
@of_dataset
@click.argument("version")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
def set_current(client: "Client", dataset_id: str, version: str, dry_run: bool) -> None:
    """Work on VERSION of DATASET again; what is not published is published first."""
    from fourpoint_client import calls  # noqa: PLC0415

    version_id = find_version(client, dataset_id, version)
    answer = client.call(calls.set_current_version(dataset_id, version_id, dry_run=dry_run))
    if dry_run:
        result = cast("dict[str, Any]", answer)
        if result["publishes_first"]:
            click.echo("What is not published would be published first.")
    else:
        result = _result(client, cast("Job", answer), "switching")
        if result["published_version_id"] is not None:
            saved = client.call(calls.get_version(dataset_id, result["published_version_id"]))
            click.echo(f"What was not published is {saved['name']}.")
    for name in _COUNTED:
        if result.get(f"samples_{name}"):
            click.echo(f"{name.replace('_', ' '):>14} {result[f'samples_{name}']}")


@versions.command()
@of_dataset
@click.argument("version")
def delete(client: "Client", dataset_id: str, version: str) -> None:
    """Delete VERSION of DATASET; for some days it can be restored."""
    from fourpoint_client import calls  # noqa: PLC0415

    client.call(calls.delete_version(dataset_id, find_version(client, dataset_id, version)))
    click.echo(f"Deleted {version}.")


@versions.command()
@of_dataset
@click.argument("version")
def restore(client: "Client", dataset_id: str, version: str) -> None:
    """Bring back VERSION of DATASET, which was deleted."""
    from fourpoint_client import calls  # noqa: PLC0415

    version_id = find_version(client, dataset_id, version, deleted=True)
    found = client.call(calls.restore_version(dataset_id, version_id))
    click.echo(f"Restored {found['name']}.")


def _all(client: "Client", dataset_id: str, *, deleted: bool = False) -> "Iterator[Version]":
    from fourpoint_client import calls  # noqa: PLC0415

    # Deleted ones are listed apart; `false` would say the same as nothing.
    return client.items(calls.list_versions(dataset_id, deleted=deleted or None))


def find_version(client: "Client", dataset_id: str, version: str, *, deleted: bool = False) -> str:
    """The id of a version that is named by its id or its name. Raises StandaloneError."""
    with contextlib.suppress(ValueError):
        return str(UUID(version))
    found = [one["id"] for one in _all(client, dataset_id, deleted=deleted) if one["name"] == version]
    if not found:
        raise StandaloneError(
            f"The dataset has no version named {version!r}; `fourpoint versions list` names them."
        )
    return str(found[-1])


def _result(client: "Client", job: "Job", doing: str) -> dict[str, Any]:
    from fourpoint_standalone.job_bars import ended  # noqa: PLC0415
    from fourpoint_standalone.terminal import Progress, console  # noqa: PLC0415

    said = ""
    with Progress(console()) as progress:

        def say(now: "Job") -> None:
            nonlocal said
            if (saying := f"{doing}{_how_far(now['progress'])}") != said:
                said = saying
                progress(said)

        return ended(client, job, say)


def _how_far(progress: dict[str, Any] | None) -> str:
    done = {name: n for name, n in (progress or {}).items() if isinstance(n, int) and n}
    said = ", ".join(f"{n} {name.removeprefix('samples_').replace('_', ' ')}" for name, n in done.items())
    return f": {said}" if said else ""
