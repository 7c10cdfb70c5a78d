"""Synchronising a dataset from the command line, with a bar that moves."""

from typing import Any

from rich.console import Console

from fourpoint_client import Client, calls
from fourpoint_standalone.job_bars import Seen, followed

_WORDS = {"listing": "comparing", "renames": "finding renames", "images": "images", "sidecars": "labels"}


def synchronise(client: Client, dataset_id: str, console: Console, *, dry_run: bool) -> dict[str, int]:
    """Synchronise a dataset; what was counted, without zeros."""
    expected = client.call(calls.get_dataset(dataset_id))["samples"]["total"]

    def look(said: dict[str, Any]) -> Seen | None:
        phase: str | None = said.get("phase")
        if phase is None:
            return None
        # While the bucket is listed, nobody knows how much it holds: at least what it held the last time.
        listing = phase == "listing"
        done: int = said.get("listed" if listing else "done", 0)
        return _WORDS.get(phase, phase), done, max(expected, done) if listing else None

    job = client.call(calls.sync_dataset(dataset_id, {"dry_run": dry_run}))
    result = followed(client, job, console, look)
    return {name: n for name, n in result.items() if isinstance(n, int) and not isinstance(n, bool) and n}
