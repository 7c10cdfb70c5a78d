"""What API and workers may do in the database, where they do not log in as the one who owns it.

Under such a role nothing that runs for a client can change the schema, remove entries of the audit log or
switch off the triggers that write it, whatever SQL somebody gets into it.
"""

from sqlalchemy import Connection, text

from fourpoint_core.errors import SettingsError

# Written by triggers, read by admins; and the schema's own number.
_KEPT = {"audit_entries": "SELECT, INSERT", "alembic_version": "SELECT"}
_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


def grant_service(connection: Connection, role: str) -> None:
    """Give `role` what the service needs in the connection's schema, and take everything else.

    May be repeated, and is to be after each migration. Raises SettingsError for a role that does not exist, or
    that could do more all the same: an owner, or a superuser.
    """
    found = connection.execute(
        text("SELECT rolsuper, quote_ident(rolname) FROM pg_roles WHERE rolname = :role"), {"role": role}
    ).one_or_none()
    if found is None:
        raise SettingsError(f"There is no role {role!r}; make it first: CREATE ROLE ... LOGIN PASSWORD ...")
    is_super, quoted = found
    owns = text(
        "SELECT pg_has_role(:role, tableowner, 'USAGE') FROM pg_tables WHERE tablename = 'audit_entries'"
    )
    if is_super or connection.scalar(owns, {"role": role}):
        raise SettingsError(f"The role {role!r} owns the tables, or is a superuser: nothing would bind it.")
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
