"""What is stored, so that a test can say: nothing."""

from sqlalchemy import func, select

from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Base
from fourpoint_core.store.session import Sessions, unit_of_work


class Inventory:
    """Counts rows and lists objects."""

    def __init__(self, sessions: Sessions, store: ObjectStore):
        self._sessions = sessions
        self._store = store

    def rows(self) -> dict[str, int]:
        """Rows per table."""
        with unit_of_work(self._sessions) as session:
            return {
                table.name: session.scalar(select(func.count()).select_from(table)) or 0
                for table in Base.metadata.sorted_tables
            }

    def objects(self) -> list[str]:
        """Keys of the object store."""
        return [item.key for item in self._store.list()]

    def __call__(self) -> tuple[dict[str, int], list[str]]:
        """Everything."""
        return self.rows(), self.objects()
