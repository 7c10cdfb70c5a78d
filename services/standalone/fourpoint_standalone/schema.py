"""Bringing a database to this version's schema, with failures that a person can read."""

import time

from alembic.util import CommandError
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from fourpoint_core.errors import SettingsError
from fourpoint_core.store import migrate
from fourpoint_core.store.session import with_driver
from fourpoint_standalone.processes import StandaloneError

_NO_ADDRESS = "The database's address is not one: postgresql://user:password@host:5432/name"


def upgrade(owners_url: str, service_url: str | None = None) -> None:
    """Apply the migrations that the database lacks; give who logs in at `service_url` what the service needs.

    Raises StandaloneError: no such address, no answer, a role that nothing would bind, a busy table, a newer
    version's database.
    """
    try:
        migrate.upgrade(owners_url, service_url)
    except (ArgumentError, ValueError) as error:
        raise StandaloneError(_NO_ADDRESS) from error
    except DBAPIError as error:
        if isinstance(error.orig, InsufficientPrivilege):
            raise StandaloneError(
                f"Give the owner's address as FOURPOINT_OWNER_DATABASE_URL. {error.orig}"
            ) from error
        raise StandaloneError(f"The migration did not run to its end; run it again. {error.orig}") from error
    except SettingsError as error:
        raise StandaloneError(str(error)) from error
    except CommandError as error:
        raise StandaloneError(f"A newer version of Fourpoint has used this database: {error}") from error


def wait_until_current(database_url: str, seconds: float) -> None:
    """Wait until somebody has applied the migrations; also until there is a database that answers.

    Raises StandaloneError when the time is over.
    """
    end = time.monotonic() + seconds
    while not _is_current(database_url):
        if time.monotonic() > end:
            raise StandaloneError(f"The database has not got this version's schema within {seconds:g} s.")
        time.sleep(min(1.0, seconds / 10))


def _is_current(database_url: str) -> bool:
    try:
        with create_engine(with_driver(database_url), poolclass=NullPool).connect() as connection:
            return migrate.is_current(connection)
    except (ArgumentError, ValueError) as error:
        raise StandaloneError(_NO_ADDRESS) from error
    except DBAPIError:
        return False
