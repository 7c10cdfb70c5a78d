"""Bars that move while a job, an upload or a download goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.rest_client import Json, RestClient

_POLL_SECONDS = 0.5
_FINAL = {"succeeded", "failed", "cancelled"}

# What is going on, how much of it is done, and of how much; None: nobody knows.
Seen = tuple[str, int, int | None]


def followed(client: RestClient, job: Json, console: Console, look: Callable[[Json], Seen | None]) -> Json:
    """The result of a job once it has ended well, with a bar meanwhile.

    look: what to show of its progress; None: nothing new. Raises StandaloneError where it does not succeed.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("waiting", total=None)
        while job["state"] not in _FINAL:
            time.sleep(_POLL_SECONDS)
            job = client.get(f"/jobs/{job['id']}")
            seen = look(job["progress"] or {})
            if seen is not None:
                bars.update(bar, description=seen[0], completed=seen[1], total=seen[2])
    if job["state"] != "succeeded":
        raise StandaloneError(f"The job {job['id']} {job['state']}: {(job['error'] or {}).get('detail')}")
    result: Json = job["result"]
    return result


@contextmanager
def bytes_bar(console: Console, doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of bytes; call what it gives with how many more there are."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task(doing, total=total)
        yield lambda more: bars.advance(bar, more)
