"""Migrations: from nothing to the tables that the models describe, once, however many try."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool
from tests.integration.conftest import as_role

from fourpoint_core.errors import SettingsError
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store import migrate
from fourpoint_core.store.models import Base
from fourpoint_core.store.queries.annotation_rows import COLUMNS
from fourpoint_standalone.postgres import PostgresServer


def open_engine(url: str | URL) -> Engine:
    return create_engine(migrate.with_driver(url), poolclass=NullPool)


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Connection]:
    """A connection to a database without tables."""
    with open_engine(empty_database_url).connect() as connection:
        yield connection


@pytest.fixture
def migrated(owners_url: str) -> Iterator[Connection]:
    """A connection to a migrated database."""
    with open_engine(owners_url).connect() as connection:
        yield connection


def test_a_database_without_tables_is_not_current(empty: Connection) -> None:
    assert not migrate.is_current(empty)


def test_an_upgrade_makes_it_current(empty: Connection, empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    assert migrate.is_current(empty)


def test_a_second_upgrade_changes_nothing(empty: Connection, empty_database_url: str) -> None:
    for _ in range(2):
        migrate.upgrade(empty_database_url)
    assert empty.scalar(text("SELECT count(*) FROM users")) == 1


def test_a_database_that_is_not_in_unicode_is_refused(empty: Connection, empty_database_url: str) -> None:
    name = f"{empty.engine.url.database}_ascii"
    making = empty.execution_options(isolation_level="AUTOCOMMIT")
    making.execute(text(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"))
    try:
        url = empty.engine.url.set(database=name).render_as_string(hide_password=False)
        with pytest.raises(SettingsError, match="SQL_ASCII; make one with ENCODING 'UTF8'"):
            migrate.upgrade(url)
    finally:
        making.execute(text(f"DROP DATABASE {name}"))


def test_the_tables_are_what_the_models_describe(migrated: Connection) -> None:
    context = MigrationContext.configure(migrated, opts={"compare_type": True, "compare_server_default": True})
    assert compare_metadata(context, Base.metadata) == []


def test_the_constraints_have_the_names_of_the_models(migrated: Connection) -> None:
    found = inspect(migrated)
    for table in Base.metadata.sorted_tables:
        checks = {check["name"] for check in found.get_check_constraints(table.name)}
        assert checks == {str(c.name) for c in table.constraints if type(c).__name__ == "CheckConstraint"}


def test_a_schema_of_a_later_version_is_current_enough(migrated: Connection) -> None:
    migrated.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert migrate.is_current(migrated)


def test_the_built_in_user_is_there(migrated: Connection) -> None:
    assert migrated.scalars(text("SELECT id FROM users")).all() == [LOCAL_USER_ID]


@pytest.fixture
def another_role(empty_database_url: str) -> Iterator[str]:
    """A name that is nobody's yet, of the kind that has to be quoted."""
    name = 'a "Role", 100%'
    yield name
    with open_engine(empty_database_url).connect() as connection:
        found = text("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = :name")
        for quoted in connection.scalars(found, {"name": name}).all():
            connection.execute(text(f"DROP OWNED BY {quoted}"))
            connection.execute(text(f"DROP ROLE {quoted}"))
        connection.commit()


def test_a_role_that_is_missing_is_made_with_its_password(
    empty: Connection, empty_database_url: str, another_role: str
) -> None:
    url = make_url(empty_database_url).set(username=another_role, password="it's 50% :secret")
    for _ in range(2):
        migrate.upgrade(empty_database_url, url.render_as_string(hide_password=False))
    found = text("SELECT rolcanlogin, rolsuper, rolpassword FROM pg_authid WHERE rolname = :name")
    may_log_in, is_super, password = empty.execute(found, {"name": another_role}).one()
    assert (may_log_in, is_super, password.startswith("SCRAM-SHA-256")) == (True, False, True)
    with open_engine(url).connect() as service, pytest.raises(ProgrammingError, match="permission denied"):
        service.execute(text("DELETE FROM audit_entries"))


@pytest.fixture
def keeper(empty: Connection, empty_database_url: str) -> Iterator[str]:
    """The address of the database for its owner, who is no superuser."""
    empty.execute(text("CREATE ROLE keeper LOGIN"))
    empty.execute(text(f"ALTER DATABASE {make_url(empty_database_url).database} OWNER TO keeper"))
    empty.commit()
    yield as_role(empty_database_url, "keeper")
    empty.execute(text("REASSIGN OWNED BY keeper TO CURRENT_USER"))
    empty.execute(text("DROP OWNED BY keeper"))
    empty.execute(text("DROP ROLE keeper"))
    empty.commit()


def test_an_owner_who_may_make_no_role_is_told_that_one_is_missing(keeper: str, another_role: str) -> None:
    with pytest.raises(SettingsError, match=r"the owner may not mend that\. Let somebody who may: CREATE ROLE"):
        migrate.upgrade(keeper, as_role(keeper, another_role))


@pytest.mark.parametrize(
    "who",
    [
        "LOGIN SUPERUSER",
        "LOGIN CREATEROLE",
        "LOGIN NOINHERIT IN ROLE keeper",
        "LOGIN IN ROLE pg_write_all_data",
    ],
)
def test_a_role_that_nothing_would_bind_is_refused_before_anything_is_done(
    empty: Connection, keeper: str, another_role: str, who: str
) -> None:
    quoted = empty.scalar(text("SELECT quote_ident(:name)"), {"name": another_role})
    empty.execute(text(f"CREATE ROLE {quoted} {who}"))
    empty.commit()
    with pytest.raises(SettingsError, match=r"FOURPOINT_DATABASE_URL may act as .*: nothing would bind it"):
        migrate.upgrade(keeper, as_role(keeper, another_role))
    assert inspect(empty).get_table_names() == []


@pytest.mark.parametrize("name", ["fourpoint", "keeper"])
def test_owners_of_database_and_tables_are_not_the_service(
    empty_database_url: str, keeper: str, name: str
) -> None:
    with pytest.raises(SettingsError, match=f"'{name}' of FOURPOINT_DATABASE_URL may act as"):
        migrate.upgrade(empty_database_url, as_role(keeper, name))


def test_a_role_that_is_kept_out_is_let_in(
    empty: Connection, empty_database_url: str, another_role: str
) -> None:
    quoted = empty.scalar(text("SELECT quote_ident(:name)"), {"name": another_role})
    empty.execute(text(f"CREATE ROLE {quoted} NOLOGIN"))
    empty.commit()
    migrate.upgrade(empty_database_url, as_role(empty_database_url, another_role))
    with open_engine(as_role(empty_database_url, another_role)).connect() as service:
        assert migrate.is_current(service)


def test_two_addresses_of_different_databases_are_refused(
    postgres: PostgresServer, empty_database_url: str
) -> None:
    elsewhere = as_role(postgres.url("postgres"), "service")
    with pytest.raises(SettingsError, match="lead to different databases"):
        migrate.upgrade(empty_database_url, elsewhere)


@pytest.mark.parametrize("url", ["postgresql:///x", "postgresql://public@/x"])
def test_an_address_without_a_role_is_refused(empty_database_url: str, url: str) -> None:
    with pytest.raises(SettingsError, match="names no role"):
        migrate.upgrade(empty_database_url, url)


def test_tables_of_others_in_the_same_schema_are_left_alone(
    empty: Connection, empty_database_url: str, keeper: str
) -> None:
    empty.execute(text("CREATE TABLE ledger (amount int)"))
    empty.commit()
    migrate.upgrade(keeper, as_role(keeper, "service"))
    with open_engine(as_role(keeper, "service")).connect() as service:
        assert migrate.is_current(service)
        with pytest.raises(ProgrammingError, match="permission denied for table ledger"):
            service.execute(text("SELECT * FROM ledger"))


def test_without_its_rights_a_role_has_no_current_schema(
    migrated: Connection, owners_url: str, database_url: str
) -> None:
    migrated.execute(text("REVOKE ALL ON drafts FROM service"))
    migrated.commit()
    with open_engine(database_url).connect() as service:
        assert (migrate.is_current(migrated), migrate.is_current(service)) == (True, False)
        migrate.upgrade(owners_url, database_url)
        assert migrate.is_current(service)


def test_what_the_role_could_do_before_is_taken_from_it(
    migrated: Connection, owners_url: str, database_url: str
) -> None:
    may = text("SELECT has_table_privilege('service', 'samples', 'TRUNCATE')")
    migrated.execute(text("GRANT TRUNCATE ON samples TO service"))
    migrated.commit()
    assert migrated.scalar(may)
    migrated.commit()
    migrate.upgrade(owners_url, database_url)
    assert not migrated.scalar(may)


_UPGRADE = "import sys; from fourpoint_core.store import migrate; migrate.upgrade(sys.argv[1])"


def test_two_who_migrate_at_once_take_turns(empty: Connection, empty_database_url: str) -> None:
    command = [sys.executable, "-c", _UPGRADE, empty_database_url]
    migrators = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    failures = [migrator.communicate()[1] for migrator in migrators]
    assert [migrator.returncode for migrator in migrators] == [0, 0, 0], failures
    assert migrate.is_current(empty)


def test_a_migrator_waits_for_the_one_at_work(empty: Connection, empty_database_url: str) -> None:
    empty.execute(text("SELECT pg_advisory_lock(:key)"), {"key": migrate.ADVISORY_LOCK})
    empty.commit()
    migrator = subprocess.Popen([sys.executable, "-c", _UPGRADE, empty_database_url])
    asks = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    while not empty.scalar(asks):
        empty.rollback()
        time.sleep(0.05)
    assert not inspect(empty).has_table("users")
    empty.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": migrate.ADVISORY_LOCK})
    empty.commit()
    assert migrator.wait() == 0
    assert inspect(empty).has_table("users")


def test_a_migrator_that_died_leaves_nothing_locked(empty_database_url: str) -> None:
    with open_engine(empty_database_url).connect() as dying:
        dying.execute(text("SELECT pg_advisory_lock(:key)"), {"key": migrate.ADVISORY_LOCK})
    migrate.upgrade(empty_database_url)


def test_a_migrator_does_not_wait_long_for_a_busy_table(
    owners_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def note(connection: Connection) -> None:
        shown.extend(connection.scalar(text(f"SHOW {name}")) for name in ("lock_timeout", "statement_timeout"))

    monkeypatch.setattr(migrate, "_wait_for_lock", note)
    migrate.upgrade(owners_url)
    assert shown == [migrate.LOCK_TIMEOUT, migrate.STATEMENT_TIMEOUT]


def test_the_first_migration_can_be_taken_back(empty: Connection, empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    command.downgrade(migrate._config(empty), "base")
    empty.commit()
    assert set(inspect(empty).get_table_names()) <= {"alembic_version"}


def test_saves_write_and_read_every_column_of_an_annotation(migrated: Connection) -> None:
    source = migrated.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = 'write_revisions'"))
    _, _, inserted = source.partition("INSERT INTO annotations (")
    written = {name.strip() for name in inserted.partition(")")[0].split(",")}
    columns = {column.name for column in Base.metadata.tables["annotations"].columns}
    # An open row has no end yet.
    assert written == columns - {"valid_to"}
    assert {column.name for column in COLUMNS} == columns
