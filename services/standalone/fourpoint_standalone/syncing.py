"""Synchronising a dataset from the command line, with a bar that moves."""

import time
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.rest_client import Json, RestClient

_POLL_SECONDS = 0.5
_FINAL = {"succeeded", "failed", "cancelled"}
_WORDS = {"listing": "comparing", "renames": "finding renames", "images": "images", "sidecars": "labels"}


def synchronise(client: RestClient, dataset: str, console: Console, *, dry_run: bool) -> dict[str, int]:
    """Synchronise a dataset, named by id or by name; what was counted, without zeros.

    Raises StandaloneError where there is no such dataset, or where the job does not succeed.
    """
    dataset_id = find_dataset(client, dataset)
    expected = client.get(f"/datasets/{dataset_id}")["samples"]["total"]
    job = client.create(f"/datasets/{dataset_id}/sync", {"dry_run": dry_run})
    job = _follow(client, job, expected, console)
    if job["state"] != "succeeded":
        raise StandaloneError(f"The job {job['id']} {job['state']}: {(job['error'] or {}).get('detail')}")
    result: dict[str, Any] = job["result"]
    return {name: n for name, n in result.items() if isinstance(n, int) and not isinstance(n, bool) and n}


def find_dataset(client: RestClient, dataset: str) -> str:
    """The id of a dataset that is named by its id or its name. Raises StandaloneError."""
    try:
        return str(UUID(dataset))
    except ValueError:
        pass
    found = [one["id"] for one in client.items("/datasets") if one["name"] == dataset]
    if not found:
        raise StandaloneError(f"There is no dataset named {dataset!r}; give its name or its id.")
    return str(found[0])


def _follow(client: RestClient, job: Json, expected: int, console: Console) -> Json:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("waiting", total=None)
        while job["state"] not in _FINAL:
            time.sleep(_POLL_SECONDS)
            job = client.get(f"/jobs/{job['id']}")
            said = job["progress"] or {}
            # While the bucket is listed, nobody knows how much it holds: at least what it held the last time.
            listing = said.get("phase") == "listing"
            done = said.get("listed" if listing else "done", 0)
            bars.update(
                bar,
                description=_WORDS.get(said.get("phase", ""), job["state"]),
                completed=done,
                total=max(expected, done) if listing else None,
            )
    return job
