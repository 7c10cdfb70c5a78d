"""Names that were there before searches knew of Unicode forms are found as those that come after."""

import pytest
from alembic import command
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store import migrate

DATASET, COMPOSED, APART, RENAMED = (new_id() for _ in range(4))
_SAMPLE = """
INSERT INTO samples (id, dataset_id, name, object_key, object_etag, digest, media_type, size_bytes, width,
    height, created_by, revision, annotation_count)
VALUES (:id, :dataset, :name, :name, '', '', '', 1, 1, 1, :user, 0, 0)
"""
_PIN = """
INSERT INTO version_samples (sample_id, from_number, dataset_id, revision, content_revision, digest, name,
    object_key, object_etag, media_type, size_bytes, width, height, annotation_count, created_by, created_at)
VALUES (:id, 1, :dataset, 0, 0, '', :name, :name, '', '', 1, 1, 1, 0, :user, now())
"""
_FOUND = """
SELECT sample_id FROM sample_paths WHERE grams @> needle_grams(:dataset, fold_name(:needle))
"""


@pytest.mark.parametrize(
    ("needle", "expected"),
    [
        ("caf\u00e9", {COMPOSED, APART, RENAMED}),
        ("cafe\u0301", {COMPOSED, APART, RENAMED}),
        ("tasse", {RENAMED}),
        ("cafe", set()),
    ],
)
def test_a_name_is_found_in_whichever_form_it_was_written(
    empty_database_url: str, needle: str, expected: set[object]
) -> None:
    engine = create_engine(empty_database_url, poolclass=NullPool)
    some = {"dataset": DATASET, "user": LOCAL_USER_ID}
    with engine.connect() as connection:
        command.upgrade(migrate._config(connection), "0013")
        connection.commit()
        connection.execute(
            text(
                "INSERT INTO datasets (id, name, description, input_path, created_by)"
                " VALUES (:dataset, 'd', '', 'in/', :user)"
            ),
            some,
        )
        names = {COMPOSED: "caf\u00e9.png", APART: "cafe\u0301.jpg", RENAMED: "cafe\u0301-2.png"}
        for sample_id, name in names.items():
            connection.execute(text(_SAMPLE), {**some, "id": sample_id, "name": name})
        # A version knows it by its former name.
        connection.execute(text(_PIN), {**some, "id": RENAMED, "name": names[RENAMED]})
        connection.execute(
            text("UPDATE samples SET name = 'tasse.png', object_key = 'tasse.png' WHERE id = :id"),
            {"id": RENAMED},
        )
        connection.commit()
    migrate.upgrade(empty_database_url)
    with engine.connect() as connection:
        found = connection.scalars(text(_FOUND), {"dataset": DATASET, "needle": needle}).all()
    assert set(found) == expected
