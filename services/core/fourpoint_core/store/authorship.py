"""Tells PostgreSQL on whose behalf a transaction changes something, for the triggers of the audit log.

One round trip, and only in transactions that write to a table whose changes are kept: saves do not pay for it.
"""

from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import ORMExecuteState, Session, sessionmaker

from fourpoint_core.actors import actor_var

# Tables with triggers of the audit log, but for jobs: most of those are clicks, see `queries.jobs.add_job`.
AUDITED = frozenset(
    {
        "api_tokens",
        "dataset_members",
        "datasets",
        "labels",
        "users",
        "version_heads",
        "versions",
        "webhooks",
    }
)
_DECLARED = "actor"
_DECLARE = text("SELECT set_config('fourpoint.actor', :actor, true)")


def watch(sessions: sessionmaker[Session]) -> None:
    """Have every session say who acts before it changes what is audited."""
    event.listen(sessions, "do_orm_execute", _before_statement)
    event.listen(sessions, "before_flush", _before_flush)


def declare(session: Session) -> None:
    """Say who acts in this transaction, once; where nobody is known, nothing."""
    actor = actor_var.get()
    if actor is not None and session.info.get(_DECLARED) is not actor:
        session.info[_DECLARED] = actor
        session.connection().execute(_DECLARE, {"actor": actor.to_json()})


def _before_statement(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        table: Any = getattr(state.statement, "table", None)
        if table is not None and table.name in AUDITED:
            declare(state.session)


def _before_flush(session: Session, *_: object) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        if row.__tablename__ in AUDITED:
            declare(session)
            return
