"""What API and workers may do in the database, where they do not log in as the one who owns it.

Under such a role nothing that runs for a client can change the schema, remove entries of the audit log or
switch off the triggers that write it, whatever SQL somebody gets into it.
"""

from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import ProgrammingError

from fourpoint_core.errors import SettingsError

# Written by triggers, read by admins; and the schema's own number.
_KEPT = {"audit_entries": "SELECT, INSERT", "alembic_version": "SELECT"}
_OWNS = text("SELECT pg_has_role(:role, tableowner, 'USAGE') FROM pg_tables WHERE tablename = 'audit_entries'")
_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


def grant_service(connection: Connection, service: URL) -> None:
    """Give the one who logs in at `service` what it needs in the connection's schema, and take everything else.

    A role that is missing is made, with the password that the address says. May be repeated, and is to be after
    each migration. Raises SettingsError where it may not be made, or could do more all the same: as an owner of
    the tables, or a superuser.
    """
    role = service.username or ""
    quoted = connection.scalar(text("SELECT quote_ident(:role)"), {"role": role})
    is_super = connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = :role"), {"role": role})
    if is_super is None:
        _make(connection, quoted, service.password)
    elif is_super or connection.scalar(_OWNS, {"role": role}):
        raise SettingsError(
            f"The role {role!r} of FOURPOINT_DATABASE_URL owns the tables or is a superuser: nothing would bind"
            " it. Name another one there; if there is none, it is made."
        )
    statements = [
        f"REVOKE ALL ON SCHEMA public FROM {quoted}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted}",
        f"GRANT USAGE ON SCHEMA public TO {quoted}",
        f"GRANT {_RIGHTS} ON ALL TABLES IN SCHEMA public TO {quoted}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}",
    ]
    for table, rights in _KEPT.items():
        statements += [f"REVOKE ALL ON {table} FROM {quoted}", f"GRANT {rights} ON {table} TO {quoted}"]
    for statement in statements:
        connection.execute(text(statement))


def _make(connection: Connection, quoted: str, password: str | None) -> None:
    try:
        connection.execute(text(f"CREATE ROLE {quoted} LOGIN PASSWORD :password"), {"password": password})
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise SettingsError(
            f"There is no role {quoted}, and the owner may not make one. Let somebody who may:"
            f" CREATE ROLE {quoted} LOGIN PASSWORD ..."
        ) from None
