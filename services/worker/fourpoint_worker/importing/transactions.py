"""One slice of an import made true: samples, labels, documents, boxes, lines and counts, all or nothing."""

from collections import Counter
from uuid import UUID, uuid5

from fourpoint_core.domain.transfers import ImportOrder
from fourpoint_core.errors import InvalidInputError, StorageUnavailableError
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.queries import datasets, imports, jobs, leases
from fourpoint_core.store.queries.imports import WantedLabel
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.formats.values import Note, Refusal
from fourpoint_worker.importing.foresight import Foresight
from fourpoint_worker.importing.saving import Saved, save
from fourpoint_worker.importing.slices import Lines, Slice, TakenImage
from fourpoint_worker.lease_keeper import ActiveJob


class Transactions:
    """Commits slices, one transaction each. position: how much of the files earlier ones have taken in."""

    def __init__(
        self,
        sessions: Sessions,
        dataset: Dataset,
        order: ImportOrder,
        job: ActiveJob,
        lines: Lines,
        position: int,
        foreseen: Foresight | None,
    ):
        """foreseen: of a dry run, which saves nothing else."""
        self._foreseen = foreseen
        self.position = position
        self._sessions = sessions
        self._dataset = dataset
        self._order = order
        self._job = job
        self._job_id = job.lease.job_id
        self._lines = lines
        # Labels that a dry run has counted as new.
        self._foreseen_labels: set[str] = set()

    def commit(self, current: Slice, at: int) -> None:
        """Make the slice true, all of it, and say that the job has come to `at`."""
        with unit_of_work(self._sessions) as session:
            leases.require_lease(session, self._job.lease)
            # The dataset may have been deleted meanwhile.
            datasets.get_dataset(session, self._dataset.id)
            # Samples before the dataset and its labels, as everybody locks them.
            held = self._hold_samples(session, current)
            label_ids = self._label_ids(session, current)
            for taken in current.images:
                self._save(session, taken, held, label_ids, current)
            imports.add_lines(session, current.lines)
            current.counts["lines"] += len(current.lines)
            current.counts["position"] = at - self.position
            _add_progress(session, self._job, current.counts)
        self.position = at

    def _hold_samples(self, session: Session, current: Slice) -> dict[UUID, Sample]:
        """The samples of the slice, those that are new added, all locked; in a dry run, as they are."""
        rows = {taken.row.id: taken.row for taken in current.images if taken.row is not None}
        if self._order.dry_run:
            known = {taken.sample.id: taken.sample for taken in current.images if taken.sample is not None}
            return {**known, **rows}
        if current.promised and not imports.redeem(session, self._job_id, current.promised):
            raise StorageUnavailableError("Storing the images took too long and was undone; trying again.")
        imports.add_samples(session, rows.values())
        ids = {taken.sample_id for taken in current.images}
        return imports.hold_samples(session, self._dataset.id, ids)

    def _label_ids(self, session: Session, current: Slice) -> dict[str, UUID]:
        wanted = {label.name: label for label in current.labels}
        for taken in current.images:
            for each in taken.image.objects:
                wanted.setdefault(each.label, WantedLabel(each.label, each.colour))
        if self._order.dry_run:
            there = imports.label_ids(session, self._dataset.id, wanted)
            fresh = wanted.keys() - there.keys() - self._foreseen_labels
            self._foreseen_labels |= fresh
            current.counts["labels_added"] += len(fresh)
            return {name: uuid5(self._job_id, name) for name in wanted} | there
        found, made = imports.ensure_labels(session, self._dataset.id, list(wanted.values()))
        current.counts["labels_added"] += made
        return found

    def _save(
        self,
        session: Session,
        taken: TakenImage,
        held: dict[UUID, Sample],
        label_ids: dict[str, UUID],
        current: Slice,
    ) -> None:
        image = taken.image
        sample = held.get(taken.sample_id)
        if sample is None:
            detail = "The image was deleted while it was imported."
            self._lines.refused(
                current, Refusal(image.place, "image_not_found", detail, image.line, image.name)
            )
            return
        current.counts["images_added" if taken.row is not None else "images_matched"] += 1
        if taken.twin is not None:
            current.counts["images_duplicate"] += 1
            detail = f"The dataset has an image of the same bytes: {taken.twin.object_key}."
            self._lines.of_image(current, image, "converted", Note("image_duplicate", detail, image.line))
        if not image.objects:
            return
        try:
            saved = save(
                session,
                sample,
                image.objects,
                label_ids,
                self._order.existing,
                self._job_id,
                taken.at,
                self._job.author,
                self._foreseen,
            )
        except InvalidInputError as error:
            code, detail = error.errors[0].code, error.detail
            self._lines.refused(current, Refusal(image.place, code, detail, image.line, image.name))
            return
        _count(current.counts, saved)


def _count(counts: Counter[str], saved: Saved) -> None:
    counts["objects_added"] += saved.added
    counts["objects_removed"] += saved.removed
    counts["objects_unchanged"] += saved.unchanged
    counts["boxes_kept"] += saved.boxes.added
    counts["boxes_removed"] += saved.boxes.removed
    counts["boxes_unchanged"] += saved.boxes.unchanged
    counts["images_skipped"] += saved.skipped


def _add_progress(session: Session, job: ActiveJob, counts: Counter[str]) -> None:
    before = jobs.get_job(session, job.lease.job_id).progress or {}
    leases.report_progress(
        session, job.lease, {name: before.get(name, 0) + counts[name] for name in {*before, *counts}}
    )
