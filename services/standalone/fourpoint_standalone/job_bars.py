"""Bars that move while a job, an upload or a download goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

import fourpoint_client
from fourpoint_client import Client
from fourpoint_client.models import Job

# What is going on, how much of it is done, and of how much; None: nobody knows.
Seen = tuple[str, int, int | None]


def followed(
    client: Client, job: Job, console: Console, look: Callable[[dict[str, Any]], Seen | None]
) -> dict[str, Any]:
    """The result of a job once it has ended well, with a bar meanwhile.

    look: what to show of its progress; None: nothing new. Raises ProblemError where it does not succeed.
    """
    with _told_that_it_goes_on(job), _bars(console, MofNCompleteColumn()) as bars:
        bar = bars.add_task("waiting", total=None)

        def show(now: Job) -> None:
            seen = look(now["progress"] or {})
            if seen is not None:
                bars.update(bar, description=seen[0], completed=seen[1], total=seen[2])

        return client.wait(job, show)["result"] or {}


def ended(client: Client, job: Job, show: Callable[[Job], None]) -> dict[str, Any]:
    """The result of a job once it has ended well. show: is shown it meanwhile. Raises ProblemError."""
    with _told_that_it_goes_on(job):
        return client.wait(job, show)["result"] or {}


@contextmanager
def _told_that_it_goes_on(job: Job) -> Iterator[None]:
    """Whoever presses Ctrl-C hears what becomes of the job."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nThe job goes on without you. To end it: POST /v1/jobs/{job['id']}/cancel", err=True)
        raise


@contextmanager
def bytes_bar(console: Console, doing: str) -> Iterator[Callable[[fourpoint_client.Progress], None]]:
    """A bar of bytes; what it gives is told how far they have come."""
    with _bars(console, DownloadColumn()) as bars:
        bar = bars.add_task(doing, total=None)
        yield lambda now: bars.update(bar, completed=now.bytes_done, total=now.bytes)


def _bars(console: Console, amount: ProgressColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeElapsedColumn())
    # In a file it would be an empty line.
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
