"""Deleting and restoring samples; no HTTP."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fourpoint_api.resources.jobs.operations import queue
from fourpoint_core.domain.access import Caller
from fourpoint_core.domain.deletion import Selection
from fourpoint_core.errors import InvalidInputError, StorageUnavailableError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import (
    DELETE_SAMPLES,
    RESTORE_SAMPLES,
    DeleteSamples,
    JobKind,
    Payload,
    RestoreSamples,
)
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.removal import remove_objects
from fourpoint_core.store.models import Job, Sample
from fourpoint_core.store.queries import audit, datasets, jobs, samples, trash, versions
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.queries.trash import Forecast, Pinning, Purged, Sharing
from fourpoint_core.store.session import Session, Sessions, note_result, preparation, unit_of_work

# More than a person picks by hand; what goes on longer is a job, which can be watched and cancelled.
AT_ONCE = 100
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was deleted, or would be.

    id: None where nothing was done. not_found: ids that name no sample of the dataset, or one in the trash.
    objects_removed: files that go, or would. restorable_until: None where there is nothing to restore.
    """

    id: UUID | None
    forecast: Forecast
    not_found: Sequence[UUID] = ()
    objects_removed: int = 0
    restorable_until: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The document by which an answer that was lost is given after all."""
        until = self.restorable_until
        return {
            "id": None if self.id is None else str(self.id),
            "samples": self.forecast.samples,
            "annotations": self.forecast.annotations,
            "sharing": [[str(x.dataset_id), x.name, x.samples] for x in self.forecast.sharing],
            "pinning": [
                [str(x.version_id), str(x.dataset_id), x.name, x.samples] for x in self.forecast.pinning
            ],
            "not_found": [str(sample_id) for sample_id in self.not_found],
            "objects_removed": self.objects_removed,
            "restorable_until": None if until is None else until.isoformat(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Deletion":
        """The inverse of `to_json`."""
        until = document["restorable_until"]
        sharing = [Sharing(UUID(found), name, count) for found, name, count in document["sharing"]]
        # Notes of the version before know nothing of versions.
        pinning = [
            Pinning(UUID(found), UUID(dataset_id), name, count)
            for found, dataset_id, name, count in document.get("pinning", [])
        ]
        return cls(
            id=None if document["id"] is None else UUID(document["id"]),
            forecast=Forecast(document["samples"], document["annotations"], sharing, pinning),
            not_found=[UUID(text) for text in document["not_found"]],
            objects_removed=document["objects_removed"],
            restorable_until=None if until is None else datetime.fromisoformat(until),
        )


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks, and in which request."""

    caller: Caller
    request_id: str | None


def foresee(
    sessions: Sessions, dataset_id: UUID, selection: Selection, order: Order, *, delete_source: bool
) -> Deletion:
    """What deleting these samples would do; does nothing. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        _require_version(session, dataset_id, selection)
        forecast, missing = _look(session, dataset_id, selection, order.caller)
        ids = trash.selected(dataset_id, selection)
        objects = trash.objects_left_alone(session, ids) if delete_source else 0
    return Deletion(None, forecast, missing, objects_removed=objects)


def delete(
    sessions: Sessions,
    store: ObjectStore,
    dispatcher: Dispatcher,
    settings: CoreSettings,
    dataset_id: UUID,
    selection: Selection,
    order: Order,
    *,
    delete_source: bool,
) -> Deletion | Job:
    """Delete a few samples now; of many, the job that does. Raises NotFoundError."""
    deletion_id = new_id()
    purged: Purged | None = None
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        _require_version(session, dataset_id, selection)
        ids = trash.selected(dataset_id, selection)
        done: Deletion | Job
        if trash.count_up_to(session, ids, AT_ONCE + 1) > AT_ONCE:
            # What comes later was not meant.
            bounded = selection.as_of(trash.now(session))
            payload = DeleteSamples(dataset_id, deletion_id, bounded, delete_source)
            done = _queue(session, DELETE_SAMPLES, payload, dataset_id, order)
        else:
            forecast, missing = _look(session, dataset_id, selection, order.caller)
            if delete_source:
                purged = trash.purge(
                    session, ids, AT_ONCE, condemned_by=deletion_id, author=order.caller.user_id
                )
                done = Deletion(deletion_id, forecast, missing, objects_removed=len(purged.condemned_keys))
            else:
                trash.throw_away(session, ids, deletion_id, order.caller.user_id, AT_ONCE)
                until = trash.now(session) + timedelta(days=settings.trash_days)
                done = Deletion(deletion_id, forecast, missing, restorable_until=until)
            note_result(session, {"deletion": done.to_json()})
            if forecast.samples:
                details = {"samples": forecast.samples, "ids": selection.ids, "delete_source": delete_source}
                audit.add(session, "samples", "deleted", deletion_id, dataset_id=dataset_id, details=details)
    if isinstance(done, Job):
        dispatcher.dispatch([jobs.Message.about(done)])
    if purged is not None:
        _remove(sessions, store, purged)
    return done


def done_before(sessions: Sessions, result: dict[str, Any]) -> Deletion | int | Job:
    """What a request did whose answer was lost. result: what it noted. Raises NotFoundError."""
    if "deletion" in result:
        return Deletion.from_json(result["deletion"])
    if "restored" in result:
        return int(result["restored"])
    with unit_of_work(sessions) as session:
        return jobs.get_job(session, UUID(result["job_id"]))


def restore(
    sessions: Sessions,
    dispatcher: Dispatcher,
    dataset_id: UUID,
    ids: Sequence[UUID] | None,
    deletion_id: UUID | None,
    order: Order,
) -> int | Job:
    """Take a few samples out of the trash now; of many, the job that does.

    Returns how many came back: those that are not in the trash are left out. Raises NotFoundError,
    LabelDeletedError or InvalidInputError.
    """
    if ids and deletion_id is not None:
        raise InvalidInputError.at("/deletion_id", "selection_ambiguous", "Give `ids` or `deletion_id`.")
    if not ids and deletion_id is None:
        raise InvalidInputError.at("/ids", "selection_empty", "Name at least one sample, or a deletion.")
    payload = RestoreSamples(dataset_id, tuple(dict.fromkeys(ids or ())), deletion_id)
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        found = trash.trashed(dataset_id, payload.ids, deletion_id)
        if trash.count_up_to(session, found, AT_ONCE + 1) <= AT_ONCE:
            restored = len(trash.take_back(session, dataset_id, found, AT_ONCE).taken)
            note_result(session, {"restored": restored})
            if restored:
                details = {"samples": restored, "ids": payload.ids}
                audit.add(session, "samples", "restored", deletion_id, dataset_id=dataset_id, details=details)
            return restored
        job = _queue(session, RESTORE_SAMPLES, payload, dataset_id, order)
    dispatcher.dispatch([jobs.Message.about(job)])
    return job


def listing(sessions: Sessions, dataset_id: UUID, after: Keyset | None, limit: int) -> Page[Sample]:
    """A page of a dataset's trash. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return trash.list_trash(session, dataset_id, after, limit)


def _require_version(session: Session, dataset_id: UUID, selection: Selection) -> None:
    if selection.filter is not None:
        versions.require_readable(session, dataset_id, selection.filter.version, "/filter/version")


def _look(
    session: Session, dataset_id: UUID, selection: Selection, caller: Caller
) -> tuple[Forecast, list[UUID]]:
    ids = trash.selected(dataset_id, selection)
    present = trash.present_among(session, ids) if selection.filter is None else set()
    missing = [sample_id for sample_id in selection.ids if sample_id not in present]
    return trash.forecast(session, dataset_id, ids, caller), missing


def _queue(session: Session, kind: JobKind, payload: Payload, dataset_id: UUID, order: Order) -> Job:
    job = queue(
        session,
        kind,
        payload,
        author=order.caller.user_id,
        request_id=order.request_id,
        dataset_id=dataset_id,
    )
    note_result(session, {"job_id": str(job.id)})
    return job


def _remove(sessions: Sessions, store: ObjectStore, purged: Purged) -> None:
    try:
        remove_objects(store, purged.condemned_keys, purged.forgotten_digests)
    except StorageUnavailableError as error:
        # The samples are gone, and their objects are promised to the sweep.
        logger.warning("objects not removed; the sweep will", extra={"reason": error.detail})
        return
    with preparation(sessions) as session:
        samples.forget_intents(session, purged.condemned_keys)
