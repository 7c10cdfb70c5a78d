"""Documents held for a save: the sample is locked, and what the save has to know is read, in one statement.

Both statements are functions of the database, see migration 0016: what is read under a lock must be read after
it was granted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Table, TextClause, Uuid, bindparam, column, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, make_transient_to_detached

from fourpoint_core.store.models import Label, Sample
from fourpoint_core.store.queries.annotation_rows import (
    COLUMNS,
    AnnotationRow,
    LabeledAnnotation,
    painting_order,
)
from fourpoint_core.store.queries.samples import OF_DOCUMENTS, no_sample


@dataclass(frozen=True, slots=True)
class Room:
    """What tells whether an object may be added.

    vertices: of all objects that are there. is_known: whether the object's id was ever in use.
    """

    vertices: int
    is_known: bool


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A sample that is held against other saves, and labels that are held against being deleted.

    Neither is of the session, and of the sample only what a save asks for is read, see `samples.OF_DOCUMENTS`.
    """

    sample: Sample
    held: Mapping[UUID, Label]


@dataclass(frozen=True, slots=True)
class OpenToAdd(HeldDocument):
    """Before one object is added."""

    room: Room


@dataclass(frozen=True, slots=True)
class OpenToReplace(HeldDocument):
    """Before all objects are replaced. shown: those that are there, in painting order."""

    shown: Sequence[LabeledAnnotation]


def open_to_add(
    session: Session, sample_id: UUID, annotation_id: UUID, label_ids: Collection[UUID]
) -> OpenToAdd:
    """Hold a sample, and those of the labels that its dataset has. Raises NotFoundError.

    New labels are made before, see the order of locks in `labels`.
    """
    values = {"sample_id": sample_id, "annotation_id": annotation_id, "label_ids": list(label_ids)}
    rows = session.connection().execute(_TO_ADD, values).all()
    if not rows:
        raise no_sample(sample_id)
    labels = _labels(rows)
    return OpenToAdd(_sample(rows[0]), labels, Room(rows[0].vertices, rows[0].is_known))


def open_to_replace(session: Session, sample_id: UUID, label_ids: Collection[UUID]) -> OpenToReplace:
    """As `open_to_add`; the labels of the objects that are there are held as well, but for deleted ones."""
    values = {"sample_id": sample_id, "label_ids": list(label_ids)}
    rows = session.connection().execute(_TO_REPLACE, values).all()
    if not rows:
        raise no_sample(sample_id)
    labels = _labels(rows)
    found = [AnnotationRow(*row[_FACTS:]) for row in rows]
    shown = [
        LabeledAnnotation(row, labels[row.label_id])
        for row in found
        # A label that is asked for, and that no object has, comes with an object of nothing.
        if row.annotation_id is not None
    ]
    held = {label_id: label for label_id, label in labels.items() if label.deleted_at is None}
    return OpenToReplace(_sample(rows[0]), held, painting_order(shown))


def _sample(row: Any) -> Sample:
    sample = Sample(**dict(zip(_OF_SAMPLE, row, strict=False)))
    # Of no session: what was not read is an error to ask for, instead of None.
    make_transient_to_detached(sample)
    return sample


def _labels(rows: Sequence[Any]) -> dict[UUID, Label]:
    """The labels of the rows, each made once, by id."""
    made: dict[UUID, Label] = {}
    for row in rows:
        label_id = row[len(_SAMPLE)]
        if label_id is not None and label_id not in made:
            made[label_id] = Label(**dict(zip(_OF_LABEL, row[len(_SAMPLE) : _FACTS], strict=True)))
    return made


def _fields(composite: str, columns: Sequence[Any]) -> list[str]:
    return [f"(opened.{composite}).{item.key}" for item in columns]


def _opening(call: str, more: Sequence[str]) -> TextClause:
    fields = [*_fields("sample", _SAMPLE), *_fields("label", _LABEL), *more]
    sql = text(f"SELECT {', '.join(fields)} FROM {call} opened")  # noqa: S608 - constants
    return sql.bindparams(bindparam("sample_id", type_=Uuid), bindparam("label_ids", type_=ARRAY(Uuid)))


_SAMPLE = [item.property.columns[0] for item in OF_DOCUMENTS]
_LABEL = list(cast(Table, Label.__table__).c)
_OF_SAMPLE = [item.key for item in _SAMPLE]
_OF_LABEL = [item.key for item in _LABEL]
# Where what each statement adds to a sample and a label begins.
_FACTS = len(_SAMPLE) + len(_LABEL)
# Made once: making a statement costs more than sending it.
_TO_ADD = (
    _opening("open_to_add(:sample_id, :annotation_id, :label_ids)", ["vertices", "is_known"])
    .bindparams(bindparam("annotation_id", type_=Uuid))
    .columns(*_SAMPLE, *_LABEL, column("vertices", BigInteger), column("is_known", Boolean))
)
_TO_REPLACE = _opening("open_to_replace(:sample_id, :label_ids)", _fields("annotation", COLUMNS)).columns(
    *_SAMPLE, *_LABEL, *COLUMNS
)
