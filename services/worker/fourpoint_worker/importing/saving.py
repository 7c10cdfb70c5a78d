"""What an image's objects become in the dataset: a document, merged or replaced, and boxes to infer from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID, uuid5

from fourpoint_core.domain.annotations import (
    MAX_ANNOTATIONS,
    TRAITS,
    Content,
    NewAnnotation,
    check_document_size,
)
from fourpoint_core.domain.history import Action
from fourpoint_core.domain.transfers import Existing
from fourpoint_core.store.models import Sample
from fourpoint_core.store.queries import annotations, boxes
from fourpoint_core.store.queries.boxes import Box, Brought, Leaving
from fourpoint_core.store.session import Session
from fourpoint_worker.formats.values import FormatError, ImportedObject
from fourpoint_worker.importing.foresight import Foresight

# What makes an object of a file the same as one that is there.
_SAID = ("label_id", "contour", "score", *TRAITS)


@dataclass(frozen=True, slots=True)
class Saved:
    """How many objects a document got, lost, and had already; boxes kept beside it."""

    added: int = 0
    removed: int = 0
    unchanged: int = 0
    boxes: Brought = field(default_factory=Brought)
    skipped: bool = False


def save(
    session: Session,
    sample: Sample,
    objects: Sequence[ImportedObject],
    label_ids: Mapping[str, UUID],
    existing: Existing,
    job_id: UUID,
    at: int,
    author: UUID,
    foreseen: Foresight | None,
) -> Saved:
    """Bring the objects into the sample's document; `sample` is locked by the caller.

    foreseen: of a dry run, which locks and saves nothing; None of a real one.

    label_ids: of every label of the objects. job_id, at: the import, and the place of the
    image in it. The same objects brought in again change nothing, and the same
    import always makes the same ids. Raises InvalidInputError where the document would become too large.
    """
    rows = annotations.current_rows(session, sample.id)
    current: Mapping[UUID, Content] = {key: annotations.content_of(row) for key, row in rows.items()}
    if foreseen is not None:
        current = foreseen.document(sample.id) or current
    if existing is Existing.SKIP and current:
        return Saved(skipped=True)
    if len(objects) > MAX_ANNOTATIONS:
        raise FormatError("document_too_large", f"An image takes at most {MAX_ANNOTATIONS} objects.")
    wanted, unchanged = _contents(objects, label_ids, current, uuid5(job_id, str(at)))
    kept = [] if existing is Existing.REPLACE else _others(current, wanted)
    added = len(wanted) - unchanged
    removed = len(current) - unchanged if existing is Existing.REPLACE else 0
    document = [*kept, *wanted]
    check_document_size(len(document), sum(content.vertex_count for content in document))
    # A file that says nothing of outlines replaces none.
    if (wanted or existing is Existing.REPLACE) and (added or removed):
        if foreseen is None:
            annotations.replace_document(session, sample, rows, document, author, Action.IMPORT)
        else:
            foreseen.keep(sample.id, document)
    leaving = Leaving.ALL if existing is Existing.REPLACE else Leaving.NONE
    brought = boxes.bring(
        session, sample.id, boxes_in(objects, label_ids), leaving, job_id, dry=foreseen is not None
    )
    return Saved(added, removed, unchanged, brought)


def boxes_in(objects: Sequence[ImportedObject], label_ids: Mapping[str, UUID]) -> list[Box]:
    """The boxes without outlines."""
    return [
        Box(label_ids[each.label], {"box": each.box.as_list()}, asdict(each.traits))
        for each in objects
        if each.contour is None and each.box is not None
    ]


def _contents(
    objects: Sequence[ImportedObject],
    label_ids: Mapping[str, UUID],
    current: Mapping[UUID, Content],
    origin: UUID,
) -> tuple[list[Content], int]:
    """The objects with outlines; those that are there already as they are there. And how many these are."""
    free = dict(current)
    found: list[Content] = []
    unchanged = 0
    for number, each in enumerate(objects):
        if each.contour is None:
            continue
        made = _content(uuid5(origin, str(number)), each, label_ids[each.label])
        same = next((key for key, content in free.items() if _says_the_same(content, made)), None)
        if same is not None:
            found.append(free.pop(same))
            unchanged += 1
        else:
            found.append(made)
    return found, unchanged


def _content(annotation_id: UUID, each: ImportedObject, label_id: UUID) -> Content:
    assert each.contour is not None  # noqa: S101 - the caller has looked
    new = NewAnnotation(annotation_id, label_id, each.contour, traits=each.traits)
    facts = {name: getattr(new.content, name) for name in Content.__slots__}
    return Content(**{**facts, "score": each.score})


def _says_the_same(one: Content, other: Content) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _SAID)


def _others(current: Mapping[UUID, Content], wanted: Sequence[Content]) -> list[Content]:
    mine = {content.id for content in wanted}
    return [content for key, content in current.items() if key not in mine]
