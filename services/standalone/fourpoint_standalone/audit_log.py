"""The audit log on the command line, for an operator: straight from the database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from fourpoint_core import auditing
from fourpoint_core.actors import acting
from fourpoint_core.auditing import Format
from fourpoint_core.errors import FourpointError
from fourpoint_core.store.queries import audit
from fourpoint_core.store.queries.audit import AuditFilter
from fourpoint_core.store.session import sessions_for, unit_of_work, with_driver
from fourpoint_standalone.people import operator
from fourpoint_standalone.processes import StandaloneError


def printed(
    database_url: str,
    written_as: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    action: str | None = None,
    kind: str | None = None,
    dataset_id: UUID | None = None,
) -> Iterator[str]:
    """The text of the log, a piece at a time; that it was read is an entry itself.

    Raises StandaloneError, for a person to read.
    """
    wanted = AuditFilter(
        action=action, kind=kind, dataset_id=dataset_id, since=_in_utc(since), until=_in_utc(until)
    )
    sessions = sessions_for(create_engine(with_driver(database_url), poolclass=NullPool))
    try:
        with acting(operator()), unit_of_work(sessions) as session:
            audit.add(session, "audit", "exported", None, details={"format": written_as})
            last = audit.last_id(session)
        yield from auditing.written(Format(written_as), audit.batches(sessions, wanted, last))
    except FourpointError as error:
        raise StandaloneError(error.detail) from error


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
