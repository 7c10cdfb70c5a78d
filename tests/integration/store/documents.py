"""Documents written as any save writes them: revision, annotations, and the sample's row last."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from tests.factories import SQUARE, SQUARE_JSON

from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.models import Annotation, Dataset, Label, Revision, Sample, User
from fourpoint_core.store.queries import samples
from fourpoint_core.store.session import Session, Sessions, unit_of_work


@dataclass(frozen=True)
class Object:
    """One object of a document."""

    label_id: UUID
    difficult: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)


def make_label(sessions: Sessions, dataset: Dataset, name: str, mask_index: int) -> Label:
    """A label of a dataset."""
    with unit_of_work(sessions) as session:
        label = Label(id=new_id(), dataset_id=dataset.id, name=name, colour="#3399ff", mask_index=mask_index)
        session.add(label)
    return label


def make_user(sessions: Sessions, name: str) -> User:
    """A person."""
    with unit_of_work(sessions) as session:
        user = User(id=new_id(), name=name)
        session.add(user)
    return user


def save_document(
    sessions: Sessions,
    sample_id: UUID,
    objects: Sequence[Object],
    author: UUID = LOCAL_USER_ID,
    at: datetime | None = None,
) -> None:
    """Replace a sample's document, in a transaction of its own."""
    with unit_of_work(sessions) as session:
        save_in(session, sample_id, objects, author, at)


def save_in(
    session: Session,
    sample_id: UUID,
    objects: Sequence[Object],
    author: UUID = LOCAL_USER_ID,
    at: datetime | None = None,
) -> None:
    """Replace a sample's document as part of `session`."""
    when: Any = at or func.clock_timestamp()
    sample = samples.get_sample(session, sample_id, lock=True)
    number = (sample.revision or 0) + 1
    session.add(
        Revision(sample_id=sample_id, number=number, action="replace", author_id=author, created_at=when)
    )
    session.flush()
    session.execute(
        update(Annotation)
        .where(Annotation.sample_id == sample_id, Annotation.valid_to.is_(None))
        .values(valid_to=number)
    )
    session.add_all(_row(sample_id, number, item, author) for item in objects)
    session.flush()
    session.execute(
        update(Sample)
        .where(Sample.id == sample_id)
        .values(
            revision=number,
            annotation_count=len(objects),
            labeled_by=author if objects else None,
            labeled_at=when if objects else None,
        )
    )


def _row(sample_id: UUID, number: int, item: Object, author: UUID) -> Annotation:
    return Annotation(
        sample_id=sample_id,
        annotation_id=new_id(),
        valid_from=number,
        label_id=item.label_id,
        contour=SQUARE_JSON,
        bounding_box=SQUARE.bounding_box.as_list(),
        area=SQUARE.area,
        method="polygon",
        difficult=item.difficult,
        attributes=item.attributes,
        created_by=author,
    )
