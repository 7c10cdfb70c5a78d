"""Bring a database to this version's schema.

Migrations are numbered and safe beside the previous version's code: they add, and what is no longer used
goes one release later. One migrator at a time (advisory lock), and none waits long for a table that is
busy: it gives up, and is simply run again.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from fourpoint_core.errors import SettingsError
from fourpoint_core.store.service_role import grant_service, let_in, may_work, require_bound
from fourpoint_core.store.session import with_driver

# Any constant will do, as long as every version uses the same.
ADVISORY_LOCK = 0x466F7572
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "10min"


def upgrade(owners_url: str, service_url: str | None = None) -> None:
    """Apply all migrations that the database lacks. Raises SettingsError where it is not in Unicode.

    service_url: where API and workers log in, who are then given what they need and no more, see
    `service_role`, which may raise too. None: as the owner.
    """
    service = with_driver(service_url) if service_url else None
    engine = create_engine(with_driver(owners_url), poolclass=NullPool)
    with engine.connect() as connection:
        _require_unicode(connection)
        if service:
            require_bound(connection, service)
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        # Held until the connection closes, so a migrator that dies leaves nothing locked. Waited for by
        # polling: a migrator that sleeps inside one statement holds a snapshot, and CREATE INDEX
        # CONCURRENTLY of the other one would wait for that.
        _wait_for_lock(connection)
        connection.commit()
        command.upgrade(_config(connection), "head")
        if service:
            grant_service(connection, service)
            connection.commit()
            let_in(connection, service)


def is_current(connection: Connection) -> bool:
    """Whether the database has every migration that this code knows, or more, and this role its rights."""
    applied = MigrationContext.configure(connection).get_current_heads()
    script = ScriptDirectory.from_config(_config(connection))
    known = {revision.revision for revision in script.walk_revisions()}
    # A newer schema than ours is fine: migrations work with the previous version's code.
    has_schema = set(script.get_heads()) <= set(applied) or not set(applied) <= known
    return has_schema and may_work(connection)


def _require_unicode(connection: Connection) -> None:
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise SettingsError(
            f"The database's encoding is {encoding}; make one with ENCODING 'UTF8' (TEMPLATE template0)."
        )


def _wait_for_lock(connection: Connection) -> None:
    taken = text("SELECT pg_try_advisory_lock(:key)")
    while not connection.scalar(taken, {"key": ADVISORY_LOCK}):
        connection.execute(text("SELECT pg_sleep(0.2)"))
        connection.commit()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
