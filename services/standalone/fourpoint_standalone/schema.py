"""Bringing a database to this version's schema, with failures that a person can read."""

from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, DBAPIError

from fourpoint_core.errors import SettingsError
from fourpoint_core.store import migrate
from fourpoint_standalone.processes import StandaloneError


def upgrade(database_url: str) -> None:
    """Apply the migrations that the database lacks.

    Raises StandaloneError: no such address, no answer, a busy table, or a newer version's database.
    """
    try:
        migrate.upgrade(database_url)
    except ArgumentError as error:
        raise StandaloneError(
            "The database's address is not one: postgresql://user:password@host:5432/name"
        ) from error
    except DBAPIError as error:
        raise StandaloneError(f"The migration did not run to its end; run it again. {error.orig}") from error
    except SettingsError as error:
        raise StandaloneError(str(error)) from error
    except CommandError as error:
        raise StandaloneError(f"A newer version of Fourpoint has used this database: {error}") from error
