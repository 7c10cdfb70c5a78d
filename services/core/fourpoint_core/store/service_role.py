"""What API and workers may do in the database, where they do not log in as the one who owns it.

Under such a role nothing that runs for a client can change the schema, remove entries of the audit log or
switch off the triggers that write it, whatever SQL somebody gets into it.
"""

from typing import Any

from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import encrypt_password
from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from fourpoint_core.errors import SettingsError

_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
# Written by triggers, read by admins; and the schema's own number.
_KEPT = {"audit_entries": "SELECT, INSERT", "alembic_version": "SELECT"}
# Whoever is one of these may do more than is granted: owners of the database, the schema, or a table of ours.
_MASTERS = text("""
    SELECT owner::regrole::text FROM (
        SELECT datdba FROM pg_database WHERE datname = current_database()
        UNION SELECT nspowner FROM pg_namespace WHERE nspname = 'public'
        UNION SELECT relowner FROM pg_class WHERE oid = to_regclass('public.audit_entries')
        UNION SELECT oid FROM pg_roles WHERE rolname IN (current_user, 'pg_write_all_data')
    ) AS masters (owner)
    WHERE pg_has_role(:role, owner, 'MEMBER')
""")
# Others may have tables in the same schema, which are none of the service's business.
_OURS = """
    FROM pg_class WHERE relnamespace = to_regnamespace('public')
    AND relowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('public.audit_entries'))
"""
_TABLES = text(f"SELECT relname {_OURS} AND relkind IN ('r', 'p', 'v')")
_SEQUENCES = text(f"SELECT relname {_OURS} AND relkind = 'S'")
_MAY_READ = text(f"SELECT bool_and(has_table_privilege(oid, 'SELECT')) {_OURS} AND relkind IN ('r', 'p', 'v')")


def require_bound(connection: Connection, service: URL) -> None:
    """Raises SettingsError where who logs in at `service` could do more than it is given; it need not exist."""
    role = service.username
    if not role or role == "public":
        raise SettingsError("FOURPOINT_DATABASE_URL names no role: postgresql://user:password@host:5432/name")
    may_all = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = :role")
    is_free = connection.scalar(may_all, {"role": role})
    if is_free is None:
        return
    masters = ["whomever it likes"] if is_free else connection.scalars(_MASTERS, {"role": role}).all()
    if masters:
        raise SettingsError(
            f"The role {role!r} of FOURPOINT_DATABASE_URL may act as {' and '.join(masters)}: nothing would"
            " bind it. Name another role there; if there is none, it is made."
        )


def grant_service(connection: Connection, service: URL) -> None:
    """Give who logs in at `service` what it needs of our tables, and take everything else of them.

    A role that is missing is made. May be repeated, and is to be after each migration. Raises SettingsError
    where it is missing and may not be made.
    """
    role = service.username or ""
    if not connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}):
        _set_password(connection, service, "CREATE")
    _execute(connection, "REVOKE ALL ON SCHEMA public FROM {role}", role)
    _execute(connection, "GRANT USAGE ON SCHEMA public TO {role}", role)
    for table in connection.scalars(_TABLES).all():
        rights = _KEPT.get(table, _RIGHTS)
        _execute(connection, "REVOKE ALL ON public.{name} FROM {role}", role, table)
        _execute(connection, f"GRANT {rights} ON public.{{name}} TO {{role}}", role, table)
    for sequence in connection.scalars(_SEQUENCES).all():
        _execute(connection, "GRANT USAGE ON SEQUENCE public.{name} TO {role}", role, sequence)


def let_in(connection: Connection, service: URL) -> None:
    """See that `service` leads to the tables, and set the role's password if that keeps it out.

    What the connection has done before must be committed. Raises SettingsError.
    """
    try:
        _knock(service)
    except OperationalError:
        _set_password(connection, service, "ALTER")
        connection.commit()
        try:
            _knock(service)
        except OperationalError as error:
            raise SettingsError(f"FOURPOINT_DATABASE_URL does not lead in: {error.orig}") from None


def may_work(connection: Connection) -> bool:
    """Whether the connection's role has been given the tables that there are."""
    return bool(connection.scalar(_MAY_READ))


def _knock(service: URL) -> None:
    engine = create_engine(service, poolclass=NullPool, connect_args={"connect_timeout": 10})
    with engine.connect() as connection:
        if not may_work(connection):
            raise SettingsError(
                "FOURPOINT_DATABASE_URL and FOURPOINT_OWNER_DATABASE_URL lead to different databases."
            )


def _set_password(connection: Connection, service: URL, verb: str) -> None:
    # As the server keeps it: a password in a statement ends in logs.
    role = service.username or ""
    verifier = service.password and encrypt_password(service.password, role, _raw(connection), "scram-sha-256")
    try:
        _execute(connection, f"{verb} ROLE {{role}} LOGIN PASSWORD {{password}}", role, password=verifier)
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise SettingsError(
            f"The role {role!r} of FOURPOINT_DATABASE_URL cannot log in, and the owner may not mend that."
            f" Let somebody who may: {verb} ROLE ... LOGIN PASSWORD ..."
        ) from None


def _execute(
    connection: Connection, statement: str, role: str, name: str = "", password: str | None = None
) -> None:
    names = {"role": sql.Identifier(role), "name": sql.Identifier(name), "password": sql.Literal(password)}
    composed = sql.SQL(statement).format(**names).as_string(_raw(connection))
    # Names may have percent signs in them.
    connection.exec_driver_sql(composed, execution_options={"no_parameters": True})


def _raw(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
