"""Every kind of job, in one place: its queue, its payload, how often and how long it may run.

Queues: `click` (a person waits), `prefetch`, `batch` (short slices that requeue themselves), `io`.
A message on a queue carries the job's id and nothing else; the payload stays in the row.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self
from uuid import UUID

from fourpoint_core.domain.deletion import Selection, selection_from_json, selection_to_json
from fourpoint_core.domain.labels import DeletionPolicy
from fourpoint_core.domain.prompts import Prompt, prompt_from_json, prompt_to_json
from fourpoint_core.jobs.payloads.outlines import PreLabel, ReviewOutlines
from fourpoint_core.jobs.payloads.pictures import OutlinePicture
from fourpoint_core.jobs.payloads.syncs import SyncDataset
from fourpoint_core.jobs.payloads.transfers import ExportDataset, ImportDataset
from fourpoint_core.jobs.payloads.versions import PublishVersion, SwitchVersion


class Queue(StrEnum):
    """Where messages wait; each is consumed by one of the two worker processes."""

    CLICK = "click"
    PREFETCH = "prefetch"
    BATCH = "batch"
    IO = "io"


INFERENCE_QUEUES = (Queue.CLICK, Queue.PREFETCH, Queue.BATCH)
IO_QUEUES = (Queue.IO,)


class SaveMode(StrEnum):
    """Where an inferred contour goes, besides the answer."""

    NONE = "none"
    DRAFT = "draft"
    DOCUMENT = "document"


class Payload(Protocol):
    """What a job needs to know, as typed values on both sides of the row."""

    def to_json(self) -> dict[str, Any]:
        """The form that the row keeps."""

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""


@dataclass(frozen=True, slots=True)
class InferContour:
    """Draw the outline of one object and, if asked, save it as an annotation.

    contour_id and annotation_id are chosen by the API, so that a second try records the same thing.
    label_id or label_name is set when `save` is not none; a name that is new is added to the dataset.
    redraws: annotation_id names an object of the document, which gets the new outline when it is saved there.
    """

    sample_id: UUID
    contour_id: UUID
    prompt: Prompt
    save: SaveMode
    annotation_id: UUID
    label_id: UUID | None = None
    label_name: str | None = None
    redraws: bool = False

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "sample_id": str(self.sample_id),
            "contour_id": str(self.contour_id),
            "prompt": prompt_to_json(self.prompt),
            "save": self.save.value,
            "annotation_id": str(self.annotation_id),
            "label_id": None if self.label_id is None else str(self.label_id),
            "label_name": self.label_name,
            "redraws": self.redraws,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        label_id = document["label_id"]
        return cls(
            sample_id=UUID(document["sample_id"]),
            contour_id=UUID(document["contour_id"]),
            prompt=prompt_from_json(document["prompt"]),
            save=SaveMode(document["save"]),
            annotation_id=UUID(document["annotation_id"]),
            label_id=None if label_id is None else UUID(label_id),
            label_name=document["label_name"],
            # Rows of the version before know nothing of it.
            redraws=bool(document.get("redraws", False)),
        )


@dataclass(frozen=True, slots=True)
class PrefetchSample:
    """Have a sample's image ready in a worker before the first click on it, and then those that come next."""

    sample_id: UUID
    ahead: tuple[UUID, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {"sample_id": str(self.sample_id), "ahead": [str(sample_id) for sample_id in self.ahead]}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        # Rows of the version before have nothing ahead.
        ahead = tuple(map(UUID, document.get("ahead", ())))
        return cls(sample_id=UUID(document["sample_id"]), ahead=ahead)


@dataclass(frozen=True, slots=True)
class PurgeDataset:
    """Remove the rows of a deleted dataset and, if asked, the objects that only it refers to."""

    dataset_id: UUID
    delete_objects: bool

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {"dataset_id": str(self.dataset_id), "delete_objects": self.delete_objects}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(dataset_id=UUID(document["dataset_id"]), delete_objects=bool(document["delete_objects"]))


@dataclass(frozen=True, slots=True)
class MergeLabel:
    """Give the objects of a label that was taken out of use to the one that took its place."""

    dataset_id: UUID
    label_id: UUID
    into: UUID

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "dataset_id": str(self.dataset_id),
            "label_id": str(self.label_id),
            "into": str(self.into),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(UUID(document["dataset_id"]), UUID(document["label_id"]), UUID(document["into"]))


@dataclass(frozen=True, slots=True)
class DeleteLabel:
    """Remove what a label that was taken out of use names: its objects, or the images that show one."""

    dataset_id: UUID
    label_id: UUID
    policy: DeletionPolicy

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "dataset_id": str(self.dataset_id),
            "label_id": str(self.label_id),
            "policy": self.policy.value,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        policy = DeletionPolicy(document["policy"])
        return cls(UUID(document["dataset_id"]), UUID(document["label_id"]), policy)


@dataclass(frozen=True, slots=True)
class DeleteSamples:
    """Put the selected samples into the trash, or remove them for good together with their objects."""

    dataset_id: UUID
    deletion_id: UUID
    selection: Selection
    delete_source: bool

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "dataset_id": str(self.dataset_id),
            "deletion_id": str(self.deletion_id),
            "selection": selection_to_json(self.selection),
            "delete_source": self.delete_source,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(
            dataset_id=UUID(document["dataset_id"]),
            deletion_id=UUID(document["deletion_id"]),
            selection=selection_from_json(document["selection"]),
            delete_source=bool(document["delete_source"]),
        )


@dataclass(frozen=True, slots=True)
class RestoreSamples:
    """Take samples out of the trash: those named, or those that one deletion put there."""

    dataset_id: UUID
    ids: tuple[UUID, ...] = ()
    deletion_id: UUID | None = None

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "dataset_id": str(self.dataset_id),
            "ids": [str(sample_id) for sample_id in self.ids],
            "deletion_id": None if self.deletion_id is None else str(self.deletion_id),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        deletion_id = document["deletion_id"]
        return cls(
            dataset_id=UUID(document["dataset_id"]),
            ids=tuple(map(UUID, document["ids"])),
            deletion_id=None if deletion_id is None else UUID(deletion_id),
        )


@dataclass(frozen=True, slots=True)
class JobKind:
    """One registered kind.

    deadline_seconds counts from the request. try_seconds bounds one try in the io process; None where jobs
    run in threads, which nothing can interrupt: there the worker's watchdog bounds every stage.
    """

    name: str
    queue: Queue
    payload: (
        type[InferContour]
        | type[OutlinePicture]
        | type[PrefetchSample]
        | type[PurgeDataset]
        | type[MergeLabel]
        | type[DeleteLabel]
        | type[DeleteSamples]
        | type[RestoreSamples]
        | type[SyncDataset]
        | type[ExportDataset]
        | type[PublishVersion]
        | type[SwitchVersion]
        | type[ImportDataset]
        | type[PreLabel]
        | type[ReviewOutlines]
    )
    max_attempts: int
    deadline_seconds: float
    try_seconds: float | None

    @property
    def task_name(self) -> str:
        """The Celery task that runs it."""
        return f"fourpoint.{self.name}"


INFER_CONTOUR = JobKind("infer_contour", Queue.CLICK, InferContour, 5, 120, None)
# Whoever asked has gone by then; the next click brings the image again.
OUTLINE_PICTURE = JobKind("outline_picture", Queue.CLICK, OutlinePicture, 5, 120, None)
PREFETCH_SAMPLE = JobKind("prefetch_sample", Queue.PREFETCH, PrefetchSample, 1, 60, None)
PURGE_DATASET = JobKind("purge_dataset", Queue.IO, PurgeDataset, 20, 24 * 3600, 600)
MERGE_LABEL = JobKind("merge_label", Queue.IO, MergeLabel, 20, 24 * 3600, 600)
DELETE_LABEL = JobKind("delete_label", Queue.IO, DeleteLabel, 20, 24 * 3600, 600)
DELETE_SAMPLES = JobKind("delete_samples", Queue.IO, DeleteSamples, 20, 24 * 3600, 600)
RESTORE_SAMPLES = JobKind("restore_samples", Queue.IO, RestoreSamples, 20, 24 * 3600, 600)
# A million headers take hours; whoever is killed goes on where it was.
SYNC_DATASET = JobKind("sync_dataset", Queue.IO, SyncDataset, 20, 24 * 3600, 6 * 3600)
# A try goes through the whole dataset; checkpoints hear of cancellation meanwhile.
EXPORT_DATASET = JobKind("export_dataset", Queue.IO, ExportDataset, 20, 24 * 3600, 6 * 3600)
# Longer than others at a stretch: a million samples are written in one statement.
PUBLISH_VERSION = JobKind("publish_version", Queue.IO, PublishVersion, 20, 24 * 3600, 1200)
SWITCH_VERSION = JobKind("switch_version", Queue.IO, SwitchVersion, 50, 24 * 3600, 1200)
IMPORT_DATASET = JobKind("import_dataset", Queue.IO, ImportDataset, 20, 24 * 3600, 6 * 3600)
PRE_LABEL = JobKind("pre_label", Queue.BATCH, PreLabel, 5, 7 * 24 * 3600, None)
REVIEW_OUTLINES = JobKind("review_outlines", Queue.IO, ReviewOutlines, 20, 24 * 3600, 600)

KINDS: dict[str, JobKind] = {
    kind.name: kind
    for kind in (
        INFER_CONTOUR,
        OUTLINE_PICTURE,
        PREFETCH_SAMPLE,
        PURGE_DATASET,
        MERGE_LABEL,
        DELETE_LABEL,
        DELETE_SAMPLES,
        RESTORE_SAMPLES,
        SYNC_DATASET,
        EXPORT_DATASET,
        PUBLISH_VERSION,
        SWITCH_VERSION,
        IMPORT_DATASET,
        PRE_LABEL,
        REVIEW_OUTLINES,
    )
}
