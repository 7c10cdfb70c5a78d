"""Starting and following synchronisations; no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fourpoint_core.domain.reconcile import Outcome
from fourpoint_core.errors import InvalidInputError, NotFoundError, SyncRunningError
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.payloads.syncs import Cause
from fourpoint_core.store.models import ForgottenObject, Job, SyncRun
from fourpoint_core.store.queries import datasets, jobs, sync_items, syncs
from fourpoint_core.store.queries.sync_items import Item
from fourpoint_core.store.session import Sessions, note_result, reading, unit_of_work


@dataclass(frozen=True, slots=True)
class Lines:
    """Part of a report, and the key behind which the next part begins (None at the end)."""

    job_id: UUID
    items: Sequence[Item]
    next_key: str | None


def start(
    sessions: Sessions,
    dispatcher: Dispatcher,
    dataset_id: UUID,
    author: UUID,
    request_id: str | None,
    *,
    dry_run: bool,
) -> Job:
    """Queue a synchronisation. Raises NotFoundError, or SyncRunningError with the job that is at it."""
    try:
        with unit_of_work(sessions) as session:
            datasets.get_dataset(session, dataset_id)
            message = syncs.start(
                session, dataset_id, Cause.REQUEST, author=author, dry_run=dry_run, request_id=request_id
            )
            job = jobs.get_job(session, message.job_id)
            note_result(session, {"job_id": str(job.id)})
    except SyncRunningError as error:
        with reading(sessions) as session:
            raise syncs.running(syncs.running_job(session, dataset_id)) from error
    dispatcher.dispatch([message])
    return job


def status(sessions: Sessions, dataset_id: UUID) -> tuple[SyncRun, Job]:
    """The dataset's last synchronisation. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        found = syncs.latest(session, dataset_id)
    if found is None:
        raise NotFoundError("The dataset has never been synchronised.")
    return found


def report(
    sessions: Sessions,
    dataset_id: UUID,
    job_id: UUID | None,
    outcome: Outcome | None,
    after: str,
    limit: int,
) -> Lines:
    """What happened to each file. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        found = syncs.latest(session, dataset_id, job_id)
        if found is None:
            raise NotFoundError("There is no such synchronisation; perhaps its report is no longer kept.")
        run = found[0]
        outcomes = [] if outcome is None else [outcome]
        items = sync_items.report(session, run.job_id, dataset_id, after, limit + 1, outcomes)
    page = items[:limit]
    return Lines(run.job_id, page, page[-1].key if len(items) > limit else None)


def forgotten(
    sessions: Sessions, dataset_id: UUID, after: str, limit: int
) -> tuple[Sequence[ForgottenObject], str | None]:
    """Files that no synchronisation brings back. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        rows = sync_items.forgotten(session, dataset_id, after, limit + 1)
    page = rows[:limit]
    return page, page[-1].object_key if len(rows) > limit else None


def remember(sessions: Sessions, dataset_id: UUID, keys: Sequence[str], *, every: bool) -> int:
    """Let files come back with the next synchronisation; how many. Raises NotFoundError, InvalidInputError."""
    if every is bool(keys):
        raise InvalidInputError.at("/object_keys", "selection_empty", "Name at least one key, or say `all`.")
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        count = sync_items.remember(session, dataset_id, None if every else keys)
        note_result(session, {"objects": count})
        return count
