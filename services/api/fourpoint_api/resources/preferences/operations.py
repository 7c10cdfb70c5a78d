"""Reading and keeping preferences; no HTTP."""

from uuid import UUID

from fourpoint_core.domain.annotations import Method
from fourpoint_core.store.queries import datasets, preferences
from fourpoint_core.store.session import Sessions, reading, unit_of_work


def read(sessions: Sessions, dataset_id: UUID, user_id: UUID) -> Method:
    """How somebody labeled last. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return preferences.labeling_method(session, dataset_id, user_id)


def keep(sessions: Sessions, dataset_id: UUID, user_id: UUID, method: Method) -> None:
    """Remember how somebody labels. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        preferences.prefer(session, dataset_id, user_id, method)
