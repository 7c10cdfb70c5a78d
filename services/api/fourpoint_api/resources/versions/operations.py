"""What can be done with versions; no HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from fourpoint_api.resources.jobs.operations import queue
from fourpoint_core.domain.versions import Change, check_version_name
from fourpoint_core.errors import DatasetEmptyError, InvalidInputError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import PUBLISH_VERSION, SWITCH_VERSION
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.payloads.versions import PublishVersion, SwitchVersion
from fourpoint_core.store.models import Job, Version
from fourpoint_core.store.queries import (
    datasets,
    jobs,
    tallies,
    version_comparison,
    version_switching,
    versions,
)
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.queries.version_comparison import Counts, LabelChange, SampleChange, Sides
from fourpoint_core.store.queries.version_switching import Verdict
from fourpoint_core.store.queries.versions import Known
from fourpoint_core.store.session import Session, Sessions, note_result, reading, unit_of_work

Check = Callable[[Version], None]


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks for a job, and in which request."""

    author: UUID
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs. changes, next: a page of it; counts: of samples and of objects, where that was asked."""

    sides: Sides
    changes: Sequence[SampleChange]
    next: UUID | None
    labels: Sequence[LabelChange]
    counts: tuple[Counts, Counts] | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What making a version current would do. publishes: whether something has to be published first."""

    publishes: bool
    verdicts: dict[Verdict, int]
    labels: int
    unchanged: int


def publish(
    sessions: Sessions,
    dispatcher: Dispatcher,
    dataset_id: UUID,
    name: str | None,
    description: str,
    order: Order,
    *,
    write_output: bool,
) -> Job:
    """Queue the publication of the working state. name: None takes the next of V001 and so on.

    write_output: a further job then writes it as files of ModelArts below the dataset's output path.
    Raises NotFoundError, InvalidInputError, NameTakenError, VersionsBusyError or DatasetEmptyError.
    """
    checked = None if name is None else check_version_name(name)
    job_id = new_id()
    with unit_of_work(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id)
        if write_output and dataset.output_path is None:
            raise InvalidInputError.at(
                "/write_output", "output_path_missing", "Give the dataset an output path first."
            )
        if not tallies.sample_totals(session, dataset_id).total:
            raise DatasetEmptyError("There is nothing to publish: the dataset has no images. Add some first.")
        head = versions.begin(session, dataset_id, job_id)
        version = versions.add_version(session, head, checked, description, order.author, job_id)
        payload = PublishVersion(dataset_id, version.id, dataset.output_path if write_output else None)
        job = queue(
            session,
            PUBLISH_VERSION,
            payload,
            author=order.author,
            request_id=order.request_id,
            dataset_id=dataset_id,
            job_id=job_id,
        )
        note_result(session, {"job_id": str(job_id)})
    dispatcher.dispatch([jobs.Message.about(job)])
    return job


def listing(
    sessions: Sessions, dataset_id: UUID, *, deleted: bool, after: Keyset | None, limit: int
) -> Page[Known]:
    """A page of a dataset's versions. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return versions.list_versions(session, dataset_id, deleted=deleted, after=after, limit=limit)


def read(sessions: Sessions, dataset_id: UUID, version_id: UUID) -> tuple[Known, Sequence[tallies.LabelCount]]:
    """A version, and its labels with their counts. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        known = versions.get_version(session, dataset_id, version_id)
        return known, tallies.by_label(session, dataset_id, version_id)


def describe(sessions: Sessions, dataset_id: UUID, version_id: UUID, description: str, check: Check) -> Known:
    """Give a version another description. check: the precondition, called with the row locked.

    Raises NotFoundError, or what `check` raises.
    """
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        known = versions.lock_version(session, dataset_id, version_id)
        check(known.row)
        versions.describe(session, known.row, description)
        return known


def delete(sessions: Sessions, dataset_id: UUID, version_id: UUID, author: UUID, check: Check) -> None:
    """Hide a version; for some days it can be restored. check: as above.

    Raises NotFoundError, VersionCurrentError, VersionStateError or VersionsBusyError.
    """
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        known = versions.lock_version(session, dataset_id, version_id)
        check(known.row)
        versions.mark_deleted(session, known, author)


def restore(sessions: Sessions, dataset_id: UUID, version_id: UUID) -> Known:
    """Bring a deleted version back; one that was not deleted stays as it is.

    Raises NotFoundError or NameTakenError.
    """
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id, lock=True)
        known = versions.lock_version(session, dataset_id, version_id, deleted=True)
        if known.row.deleted_at is not None:
            versions.bring_back(session, known.row)
        return known


def foresee_switch(sessions: Sessions, dataset_id: UUID, version_id: UUID) -> Forecast:
    """What making a version current would do; does nothing. Raises NotFoundError or VersionStateError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        wanted = versions.get_published(session, dataset_id, version_id)
        verdicts = version_switching.foresee(session, wanted)
        others = (Verdict.RESTORE, Verdict.BRING_BACK, Verdict.GONE, Verdict.MISSING)
        return Forecast(
            publishes=versions.standing(session, dataset_id).has_changes,
            verdicts=verdicts,
            labels=len(version_comparison.label_changes(session, Sides(dataset_id, wanted, None))),
            unchanged=(wanted.samples or 0) - sum(verdicts.get(one, 0) for one in others),
        )


def switch(sessions: Sessions, dispatcher: Dispatcher, dataset_id: UUID, version_id: UUID, order: Order) -> Job:
    """Queue the job that makes a version current.

    Raises NotFoundError, VersionStateError or VersionsBusyError.
    """
    job_id = new_id()
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        versions.begin(session, dataset_id, job_id)
        versions.get_published(session, dataset_id, version_id)
        job = queue(
            session,
            SWITCH_VERSION,
            SwitchVersion(dataset_id, version_id),
            author=order.author,
            request_id=order.request_id,
            dataset_id=dataset_id,
            job_id=job_id,
        )
        note_result(session, {"job_id": str(job_id)})
    dispatcher.dispatch([jobs.Message.about(job)])
    return job


def compare(
    sessions: Sessions,
    dataset_id: UUID,
    version_id: UUID | None,
    since: UUID | None,
    change: Change | None,
    after: UUID | None,
    limit: int,
    *,
    count: bool,
) -> Comparison:
    """What makes `version_id` (None: the working state) of `since`.

    since: None is the version that was published before, or of the working state the current version; where
    there is none, everything is new. Raises NotFoundError or VersionStateError.
    """
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        sides = _sides(session, dataset_id, version_id, since)
        # Told by the fingerprints, without a look at a million samples.
        if version_id is None and not versions.has_changes_since(
            session, dataset_id, None if sides.before is None else sides.before.id
        ):
            return Comparison(sides, [], None, [], (Counts(), Counts()) if count else None)
        page, following = version_comparison.list_changes(session, sides, change, after, limit)
        return Comparison(
            sides,
            page,
            following,
            version_comparison.label_changes(session, sides),
            version_comparison.count_changes(session, sides) if count else None,
        )


def _sides(session: Session, dataset_id: UUID, version_id: UUID | None, since: UUID | None) -> Sides:
    version = None if version_id is None else versions.get_published(session, dataset_id, version_id)
    if since is not None:
        before: Version | None = versions.get_published(session, dataset_id, since)
    elif version is not None:
        before = versions.previous_of(session, version)
    else:
        before = versions.standing(session, dataset_id).current
    return Sides(dataset_id, before, version)
