"""Who is what in a dataset."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from fourpoint_core.domain.access import Caller, Role
from fourpoint_core.errors import LastOwnerError, NotFoundError
from fourpoint_core.store.models import Dataset, DatasetMember, Job, Sample, User


class Kind(StrEnum):
    """What an address may name; the role counts in the dataset that it belongs to."""

    DATASET = "dataset"
    SAMPLE = "sample"
    JOB = "job"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a dataset."""

    user_id: UUID
    name: str
    role: Role
    since: datetime


def visible(caller: Caller, dataset_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """The condition that the caller may see the dataset of this column."""
    if caller.acts_as_admin:
        return true()
    mine = select(DatasetMember.dataset_id).where(DatasetMember.user_id == caller.user_id)
    return dataset_id.in_(mine)


def visible_jobs(caller: Caller) -> ColumnElement[bool]:
    """The condition that the caller may see a job: by its dataset, or, when that is gone, as its author."""
    if caller.acts_as_admin:
        return true()
    return or_(visible(caller, Job.dataset_id) & _is_live(Job.dataset_id), _left_behind(caller.user_id))


def role_at(connection: Connection, user_id: UUID, kind: Kind, resource_id: UUID) -> Role | None:
    """What somebody may do with what an address names; None: may not know of it, or it is not there."""
    if kind is Kind.JOB:
        return _role_at_job(connection, user_id, resource_id)
    # As text to the driver: every request of somebody who is no admin asks this, and little else.
    values = (str(user_id), kind.value, str(resource_id))
    found = connection.exec_driver_sql("SELECT role_in(%s, %s, %s)", values).scalar()
    return None if found is None else Role(found)


def is_sample_of(connection: Connection, sample_id: UUID, dataset_id: UUID) -> bool:
    """Whether a sample, deleted or not, is one of a dataset."""
    query = select(Sample.id).where(Sample.id == sample_id, Sample.dataset_id == dataset_id)
    return connection.execute(query).scalar() is not None


def set_role(session: Session, dataset_id: UUID, user_id: UUID, role: Role) -> None:
    """Make somebody a member, or change what a member is. Raises LastOwnerError or NotFoundError."""
    if role is not Role.OWNER:
        _require_another_owner(session, dataset_id, user_id)
    row = insert(DatasetMember).values(dataset_id=dataset_id, user_id=user_id, role=role.value)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[DatasetMember.dataset_id, DatasetMember.user_id], set_={"role": role.value}
        )
    )


def remove(session: Session, dataset_id: UUID, user_id: UUID) -> None:
    """End a membership. Raises LastOwnerError or NotFoundError."""
    _require_another_owner(session, dataset_id, user_id)
    gone = session.scalar(
        delete(DatasetMember)
        .where(DatasetMember.dataset_id == dataset_id, DatasetMember.user_id == user_id)
        .returning(DatasetMember.user_id)
    )
    if gone is None:
        raise NotFoundError(f"The dataset has no member {user_id}.")


def members_of(session: Session, dataset_id: UUID) -> list[Member]:
    """All members of a dataset, in the order they came."""
    return [_member(*row) for row in session.execute(_members(dataset_id))]


def get_member(session: Session, dataset_id: UUID, user_id: UUID) -> Member:
    """One member. Raises NotFoundError."""
    row = session.execute(_members(dataset_id).where(User.id == user_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"The dataset has no member {user_id}.")
    return _member(*row)


def _members(dataset_id: UUID) -> Select[UUID, str, str, datetime]:
    return (
        select(User.id, User.name, DatasetMember.role, DatasetMember.created_at)
        .join(DatasetMember, DatasetMember.user_id == User.id)
        .where(DatasetMember.dataset_id == dataset_id)
        .order_by(DatasetMember.created_at, User.id)
    )


def _member(user_id: UUID, name: str, role: str, since: datetime) -> Member:
    return Member(user_id, name, Role(role), since)


def _require_another_owner(session: Session, dataset_id: UUID, user_id: UUID) -> None:
    # Under the dataset's lock: of two owners who leave at once, one stays.
    session.execute(select(Dataset.id).where(Dataset.id == dataset_id).with_for_update(key_share=True))
    owners = session.scalars(
        select(DatasetMember.user_id).where(
            DatasetMember.dataset_id == dataset_id, DatasetMember.role == Role.OWNER.value
        )
    ).all()
    if owners == [user_id]:
        raise LastOwnerError("This is the dataset's last owner; make somebody else an owner first.")


def _role_at_job(connection: Connection, user_id: UUID, job_id: UUID) -> Role | None:
    values = {"user_id": user_id, "resource_id": job_id}
    row = connection.execute(_ROLE_AT_JOB, values).one_or_none()
    if row is None:
        return None
    role, is_author, dataset_lives = row
    if not dataset_lives:
        return Role.OWNER if is_author else None
    # One's own job is one's own to cancel and to try again, for as long as one may label at all.
    return Role.OWNER if is_author and role == Role.LABELER.value else role and Role(role)


def _is_live(dataset_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    return select(Dataset.id).where(Dataset.id == dataset_id, Dataset.deleted_at.is_(None)).exists()


def _left_behind(user_id: UUID) -> ColumnElement[bool]:
    return (Job.created_by == user_id) & ~_is_live(Job.dataset_id)


# Made once, as it is asked often.
_ROLE_AT_JOB = select(
    select(DatasetMember.role)
    .join(Dataset, Dataset.id == DatasetMember.dataset_id)
    .where(
        DatasetMember.user_id == bindparam("user_id"),
        Dataset.deleted_at.is_(None),
        Dataset.id == Job.dataset_id,
    )
    .scalar_subquery(),
    Job.created_by == bindparam("user_id"),
    _is_live(Job.dataset_id),
).where(Job.id == bindparam("resource_id"))
