"""What people chose last."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.annotations import Method
from fourpoint_core.store.models import Preference

DEFAULT_METHOD = Method.POLYGON


def labeling_method(session: Session, dataset_id: UUID, user_id: UUID) -> Method:
    """How this person labeled last in this dataset; by polygon, where they never said."""
    found = session.scalar(
        select(Preference.labeling_method).where(
            Preference.dataset_id == dataset_id, Preference.user_id == user_id
        )
    )
    return DEFAULT_METHOD if found is None else Method(found)


def prefer(session: Session, dataset_id: UUID, user_id: UUID, method: Method) -> None:
    """Remember the method; of two windows that choose at once, the last one counts."""
    values = {"labeling_method": method.value, "updated_at": func.clock_timestamp()}
    session.execute(
        insert(Preference)
        .values(dataset_id=dataset_id, user_id=user_id, **values)
        .on_conflict_do_update(index_elements=[Preference.dataset_id, Preference.user_id], set_=values)
    )
