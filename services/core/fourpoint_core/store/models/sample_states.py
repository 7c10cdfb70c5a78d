"""What filters ask of a sample; kept by the database's triggers (migration 0004), never written by hand."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base


class SampleState(Base):
    """What a sample's document said from begins_at to ends_at; NULL: it still does.

    labeled_by: the author of that revision, if it left an object. difficult: whether an object is marked so.
    attribute_terms: `key:value` of the attributes of all objects. Before the first row the document is empty.
    """

    __tablename__ = "sample_states"
    __table_args__ = (
        Index("ix_sample_states_label_ids", "label_ids", postgresql_using="gin"),
        Index("ix_sample_states_attribute_terms", "attribute_terms", postgresql_using="gin"),
        Index("ix_sample_states_difficult", "sample_id", postgresql_where=text("difficult")),
    )

    sample_id: Mapped[UUID] = mapped_column(ForeignKey("samples.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    annotation_count: Mapped[int]
    labeled_by: Mapped[UUID | None]
    label_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    difficult: Mapped[bool]
    attribute_terms: Mapped[list[str]] = mapped_column(ARRAY(Text))


class SampleLabel(Base):
    """That a sample's current document has objects of a label.

    created_at: the sample's, so that one index serves a label's images in their order.
    """

    __tablename__ = "sample_labels"
    __table_args__ = (Index("ix_sample_labels_label_id", "label_id", "created_at", "sample_id"),)

    sample_id: Mapped[UUID] = mapped_column(ForeignKey("samples.id", ondelete="CASCADE"), primary_key=True)
    label_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    objects: Mapped[int]


class SamplePath(Base):
    """A sample's name and directory, as they are searched.

    Apart from the sample, whose row changes with every save: the index of grams would be written each time.
    folded_name: lower case. grams: its pieces of one to three characters, hashed with the dataset.
    directory: the object key up to its last slash.
    """

    __tablename__ = "sample_paths"
    __table_args__ = (
        Index("ix_sample_paths_grams", "grams", postgresql_using="gin"),
        Index("ix_sample_paths_directory", "dataset_id", "directory"),
    )

    sample_id: Mapped[UUID] = mapped_column(ForeignKey("samples.id", ondelete="CASCADE"), primary_key=True)
    dataset_id: Mapped[UUID]
    folded_name: Mapped[str]
    grams: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    directory: Mapped[str] = mapped_column(Text(collation="C"))
