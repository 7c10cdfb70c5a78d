"""Every kind of job, in one place: its queue, its payload, how often and how long it may run.

Queues: `click` (a person waits), `prefetch`, `batch` (short slices that requeue themselves), `io`.
A message on a queue carries the job's id and nothing else; the payload stays in the row.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self
from uuid import UUID

from fourpoint_core.domain.prompts import Prompt, prompt_from_json, prompt_to_json


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
    """

    sample_id: UUID
    contour_id: UUID
    prompt: Prompt
    save: SaveMode
    annotation_id: UUID
    label_id: UUID | None = None
    label_name: str | None = None

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
        )


@dataclass(frozen=True, slots=True)
class PrefetchSample:
    """Have a sample's image decoded in a worker before the first click on it."""

    sample_id: UUID

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {"sample_id": str(self.sample_id)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(sample_id=UUID(document["sample_id"]))


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
class JobKind:
    """One registered kind.

    deadline_seconds counts from the request; stage_seconds bounds one stage of one try, after which the
    watchdog ends the process (threads cannot be interrupted from outside).
    """

    name: str
    queue: Queue
    payload: type[InferContour] | type[PrefetchSample] | type[PurgeDataset]
    max_attempts: int
    deadline_seconds: float
    stage_seconds: float

    @property
    def task_name(self) -> str:
        """The Celery task that runs it."""
        return f"fourpoint.{self.name}"


INFER_CONTOUR = JobKind("infer_contour", Queue.CLICK, InferContour, 5, 120, 30)
PREFETCH_SAMPLE = JobKind("prefetch_sample", Queue.PREFETCH, PrefetchSample, 1, 60, 30)
PURGE_DATASET = JobKind("purge_dataset", Queue.IO, PurgeDataset, 20, 24 * 3600, 600)

KINDS: dict[str, JobKind] = {kind.name: kind for kind in (INFER_CONTOUR, PREFETCH_SAMPLE, PURGE_DATASET)}
