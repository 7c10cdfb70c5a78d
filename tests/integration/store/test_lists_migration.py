"""What was there before lists had indexes and counters is found and counted like what comes after."""

from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from fourpoint_core.domain.filters import SORTS, SampleFilter, Status
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store import migrate
from fourpoint_core.store.queries import sample_filters, sample_paths, tallies
from fourpoint_core.store.session import Sessions, sessions_for, unit_of_work

DATASET, LABEL, SAVED, EMPTIED, NEW = (new_id() for _ in range(5))
# The rows as the first version writes them: two images were saved, one of them was emptied again.
_ROWS = """
INSERT INTO datasets (id, name, description, input_path, created_by) VALUES (:dataset, 'd', '', 'in/', :user);
INSERT INTO labels (id, dataset_id, name, colour, mask_index) VALUES (:label, :dataset, 'cat', '#3399ff', 1);
INSERT INTO samples (id, dataset_id, name, object_key, object_etag, digest, media_type, size_bytes, width,
    height, created_by, revision, annotation_count, labeled_by, labeled_at) VALUES
    (:saved, :dataset, 'Saved.png', 'in/a/1', '', '', '', 1, 1, 1, :user, 2, 2, :user, '2026-03-01 12:00Z'),
    (:emptied, :dataset, 'Emptied.png', 'in/b/2', '', '', '', 1, 1, 1, :user, 2, 0, NULL, NULL),
    (:new, :dataset, 'New.png', 'in/b/3', '', '', '', 1, 1, 1, :user, 0, 0, NULL, NULL);
INSERT INTO revisions (sample_id, number, action, author_id, created_at) VALUES
    (:saved, 1, 'add', :user, '2026-02-01 12:00Z'), (:saved, 2, 'add', :user, '2026-03-01 12:00Z'),
    (:emptied, 1, 'add', :user, '2026-02-01 12:00Z'), (:emptied, 2, 'delete', :user, '2026-03-01 12:00Z');
INSERT INTO annotations (sample_id, annotation_id, valid_from, valid_to, label_id, contour, bounding_box, area,
    method, created_by) VALUES
    (:saved, gen_random_uuid(), 1, NULL, :label, '{}', '[]', 1, 'polygon', :user),
    (:saved, gen_random_uuid(), 2, NULL, :label, '{}', '[]', 1, 'polygon', :user),
    (:emptied, gen_random_uuid(), 1, 2, :label, '{}', '[]', 1, 'polygon', :user)
"""
_NAMES = {
    "dataset": DATASET,
    "label": LABEL,
    "saved": SAVED,
    "emptied": EMPTIED,
    "new": NEW,
    "user": LOCAL_USER_ID,
}


@pytest.fixture
def migrated(empty_database_url: str) -> Sessions:
    engine = create_engine(empty_database_url, poolclass=NullPool)
    with engine.connect() as connection:
        command.upgrade(migrate._config(connection), "0003")
        connection.commit()
        for statement in _ROWS.split(";"):
            connection.execute(text(statement), _NAMES)
        connection.commit()
    migrate.upgrade(empty_database_url)
    return sessions_for(engine)


def listed(sessions: Sessions, wanted: SampleFilter) -> set[UUID]:
    with unit_of_work(sessions) as session:
        page = sample_filters.list_samples(session, DATASET, wanted, SORTS["created_at"], None, 10)
    return {UUID(row.id) for row in page.rows}


def test_what_was_there_is_counted(migrated: Sessions) -> None:
    with unit_of_work(migrated) as session:
        assert tallies.sample_totals(session, DATASET) == tallies.SampleTotals(3, 1)
        assert [one.count for one in tallies.by_label(session, DATASET)] == [tallies.Count(1, 2)]
        assert tallies.mend(session, DATASET) == []
        assert tallies.settle_again(session, DATASET, UUID(int=0), 10)[1] == 0


def test_what_was_there_is_found(migrated: Sessions) -> None:
    assert listed(migrated, SampleFilter(label_ids=(LABEL,))) == {SAVED}
    assert listed(migrated, SampleFilter(name_contains="EMPT")) == {EMPTIED}
    assert listed(migrated, SampleFilter(never_labeled=True)) == {NEW}


def test_its_past_is_found(migrated: Sessions) -> None:
    with unit_of_work(migrated) as session:
        session.execute(text("UPDATE samples SET created_at = '2026-01-01 00:00Z'"))
        between = session.scalar(text("SELECT timestamptz '2026-02-15 00:00Z'"))
    wanted = SampleFilter(status=Status.LABELED, at=between)
    assert listed(migrated, wanted) == {SAVED, EMPTIED}


def test_its_directories_are_offered(migrated: Sessions) -> None:
    with unit_of_work(migrated) as session:
        assert sample_paths.child_directories(session, DATASET, "in/", 10) == ["in/a/", "in/b/"]


def test_the_migration_may_be_taken_back_and_applied_again(migrated: Sessions) -> None:
    engine = migrated.kw["bind"]
    with engine.connect() as connection:
        command.downgrade(migrate._config(connection), "0003")
        connection.commit()
        command.upgrade(migrate._config(connection), "head")
        connection.commit()
    with unit_of_work(migrated) as session:
        assert tallies.sample_totals(session, DATASET) == tallies.SampleTotals(3, 1)
