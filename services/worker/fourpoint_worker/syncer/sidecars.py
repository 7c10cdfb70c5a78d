"""Fourth phase: files of labels become documents, unless somebody has edited those here."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

from fourpoint_core.domain.annotations import TRAITS, Content, NewAnnotation, check_document_size
from fourpoint_core.domain.history import Action
from fourpoint_core.domain.reconcile import (
    IMAGE_SUFFIXES,
    Outcome,
    Role,
    Verdict,
    judge_sidecar,
    stem_of,
)
from fourpoint_core.errors import FourpointError
from fourpoint_core.jobs.payloads.syncs import Phase
from fourpoint_core.store.models import Annotation, Sample
from fourpoint_core.store.queries import annotations, boxes, labels, sync_changes, sync_items
from fourpoint_core.store.queries.annotations import Opening, Save
from fourpoint_core.store.queries.boxes import Brought, Leaving
from fourpoint_core.store.queries.sync_items import Item, Settled
from fourpoint_core.store.session import Session, reading
from fourpoint_worker.formats import modelarts_xml
from fourpoint_worker.formats.values import FormatError, ImportedImage
from fourpoint_worker.importing.saving import boxes_in
from fourpoint_worker.syncer.context import Context
from fourpoint_worker.syncer.images import spellings
from fourpoint_worker.syncer.reading import read_exactly, readers
from fourpoint_worker.syncer.survey import problem

SLICE = 200
_IMAGE_SUFFIXES = [spelling for suffix in IMAGE_SUFFIXES for spelling in spellings(suffix)]


def apply_sidecars(context: Context, cursor: str) -> None:
    """Read the files of labels that are new or other, behind a key."""
    with readers(context.store, context.limits.readers) as pool:
        while True:
            context.job.checkpoint("sidecars")
            with reading(context.sessions) as session:
                items = sync_items.page(
                    session,
                    context.job_id,
                    cursor,
                    SLICE,
                    outcomes=[Outcome.LABELS_READ],
                    role=Role.SIDECAR,
                )
                images = _images_of(session, context, items)
            if not items:
                return
            matched = [item for item in items if item.key in images]
            texts = pool.map(lambda item: read_exactly(context.store, item.key, 0, item.size or 0), matched)
            cursor = items[-1].key
            with context.slice(Phase.SIDECARS, cursor, {"done": len(items)}) as session:
                work = _Slice(context, session)
                work.leave([item for item in items if item.key not in images])
                work.apply([_Read(i, images[i.key], text) for i, text in zip(matched, texts, strict=True)])
                work.write_down()


@dataclass(frozen=True, slots=True)
class _Read:
    """A sidecar, the image it belongs to, and its bytes."""

    item: Item
    sample: Sample
    text: bytes | FourpointError


def _images_of(session: Session, context: Context, items: Sequence[Item]) -> dict[str, Sample]:
    """The image of each sidecar: the one of the same stem; of several, the first by key."""
    keys = [stem_of(item.key) + suffix for item in items for suffix in _IMAGE_SUFFIXES]
    found = sync_changes.images_under(session, context.dataset_id, keys)
    by_stem: dict[str, Sample] = {}
    for key in sorted(found, reverse=True):
        by_stem[stem_of(key)] = found[key]
    return {item.key: by_stem[stem_of(item.key)] for item in items if stem_of(item.key) in by_stem}


@dataclass(slots=True)
class _Slice:
    """What is done in one transaction."""

    context: Context
    session: Session
    settled: list[Settled] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    known: list[dict[str, Any]] = field(default_factory=list)

    def leave(self, items: Iterable[Item]) -> None:
        """Of a sidecar without an image: should one come, it is looked at again."""
        for item in items:
            self._settle(item, Outcome.UNMATCHED, None, None)

    def apply(self, found: Sequence[_Read]) -> None:
        """Make documents of what can be read, in one save each."""
        rows = sync_changes.hold(self.session, [one.sample.id for one in found])
        edited = sync_changes.edited_here(self.session, rows.keys())
        documents = sync_changes.documents(self.session, rows.keys())
        saves: dict[UUID, Save] = {}
        for one in found:
            sample = rows.get(one.sample.id)
            if sample is None or sample.id in saves:
                # It was deleted meanwhile, or has a second sidecar that differs in upper and lower case.
                self._settle(one.item, Outcome.UNMATCHED, None, None)
                continue
            try:
                described = _described(one.text, sample)
                if sample.id in edited and not self._has_labels(described):
                    self._settle(one.item, Outcome.CONFLICT, sample, _CONFLICT)
                    continue
                wanted = self._contents(described, sample)
                check_document_size(len(wanted), sum(content.vertex_count for content in wanted))
            except FormatError as error:
                detail = {"code": error.code, "detail": error.detail, "line": error.line}
                self._settle(one.item, Outcome.FAILED, sample, detail, error=detail)
                continue
            except FourpointError as error:
                self._settle(one.item, Outcome.FAILED, sample, problem(error))
                continue
            current = documents[sample.id]
            verdict = judge_sidecar(
                edited_here=sample.id in edited, says_the_same=_say_the_same(current, wanted)
            )
            if verdict is Verdict.READ:
                saves[sample.id] = _save(sample, current, wanted)
                self._bring_boxes(described, sample)
                revision = sample.revision + 1
                self._settle(one.item, Outcome.LABELS_READ, sample, _notes(described, wanted), revision)
            elif verdict is Verdict.SAME and self._bring_boxes(described, sample):
                self._settle(one.item, Outcome.LABELS_READ, sample, _notes(described, wanted), sample.revision)
            elif verdict is Verdict.SAME:
                self._know(one.item, sample, sample.revision, None)
                self.dropped.append(one.item.key)
            else:
                self._settle(one.item, Outcome.CONFLICT, sample, _CONFLICT)
        if saves:
            annotations.settle(self.session, list(saves.values()), Action.SYNC, self.context.job.author)

    def write_down(self) -> None:
        """What became of the files, for the report and for the next run."""
        sync_items.know(self.session, self.context.dataset_id, self.known)
        sync_items.settle(self.session, self.context.job_id, self.settled)
        sync_items.drop(self.session, self.context.job_id, self.dropped)

    def _contents(self, described: ImportedImage, sample: Sample) -> list[Content]:
        """The objects as a document keeps them; the same file makes the same ids, whoever reads it when."""
        made: list[Content] = []
        seen: Counter[str] = Counter()
        for one in described.objects:
            if one.contour is None:
                continue
            label, _ = labels.label_named(self.session, self.context.dataset_id, one.label, one.colour)
            content = NewAnnotation(sample.id, label.id, one.contour, traits=one.traits).content
            said = _said(content)
            seen[said] += 1
            made.append(replace(content, id=uuid5(sample.id, f"{said} {seen[said]}")))
        return made

    def _bring_boxes(self, described: ImportedImage, sample: Sample) -> Brought:
        """Boxes without an outline become prompts, in the place of those that a file named before."""
        ids = {
            one.label: labels.label_named(self.session, self.context.dataset_id, one.label, one.colour)[0].id
            for one in described.objects
            if one.contour is None
        }
        found = boxes_in(described.objects, ids)
        return boxes.bring(self.session, sample.id, found, Leaving.OF_SYNCS, self.context.job_id)

    def _has_labels(self, described: ImportedImage) -> bool:
        """Whether all labels that a file names are there: one that says the same as a document needs none."""
        names = {one.label for one in described.objects}
        return all(labels.find_label(self.session, self.context.dataset_id, name) for name in names)

    def _settle(
        self,
        item: Item,
        outcome: Outcome,
        sample: Sample | None,
        detail: dict[str, Any] | None,
        revision: int | None = None,
        *,
        error: dict[str, Any] | None = None,
    ) -> None:
        sample_id = None if sample is None else sample.id
        self.settled.append(Settled(item.key, outcome, sample_id, detail))
        passing = outcome is Outcome.FAILED and error is None
        if not passing:
            self._know(item, sample, revision, error)

    def _know(
        self, item: Item, sample: Sample | None, revision: int | None, error: dict[str, Any] | None
    ) -> None:
        self.known.append(
            {
                "object_key": item.key,
                "role": "sidecar",
                "etag": item.etag,
                "size_bytes": item.size,
                "sample_id": None if sample is None else sample.id,
                "revision": revision,
                "error": error,
            }
        )


_CONFLICT = {
    "code": "edited_here",
    "detail": "The file says something else than what was edited here since. What was edited counts.",
}


def _described(text: bytes | FourpointError, sample: Sample) -> ImportedImage:
    """What a sidecar says of its image. Raises FormatError, or the error with which it could not be read."""
    if isinstance(text, FourpointError):
        raise text
    return modelarts_xml.read(io.BytesIO(text), (sample.width, sample.height))


def _notes(described: ImportedImage, wanted: Sequence[Content]) -> dict[str, Any]:
    """What a report says of a file that was read."""
    notes = [{"code": note.code, "detail": note.detail, "line": note.line} for note in described.notes]
    kept = sum(1 for one in described.objects if one.contour is None)
    if kept:
        notes.append({"code": "boxes_kept", "detail": f"{kept} boxes without an outline.", "line": None})
    return {"code": "labels_read", "objects": len(wanted), "notes": notes}


def _save(sample: Sample, current: dict[UUID, Annotation], wanted: Sequence[Content]) -> Save:
    keep = current.keys() & {content.id for content in wanted}
    return Save(
        sample,
        closed=[row for key, row in current.items() if key not in keep],
        opened=[Opening(content) for content in wanted if content.id not in keep],
    )


def _say_the_same(current: dict[UUID, Annotation], wanted: Sequence[Content]) -> bool:
    return Counter(map(_said, current.values())) == Counter(map(_said, wanted))


def _said(one: Annotation | Content) -> str:
    """What an object says, whatever its id."""
    traits = {name: getattr(one, name) for name in TRAITS}
    return json.dumps([str(one.label_id), one.contour, traits], sort_keys=True)
