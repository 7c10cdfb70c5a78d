"""How PostgreSQL reads lists: by an index, and in its order wherever one serves filter and order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from tests.factories import make_dataset
from tests.integration.store.documents import make_label, make_user

from fourpoint_core.domain.filters import SORTS, LabelMatch, SampleFilter, Status
from fourpoint_core.store.queries import (
    annotations,
    dashboards,
    held_documents,
    sample_filters,
    sample_leases,
    sample_paths,
    samples,
    tallies,
)
from fourpoint_core.store.queries.sample_rows import Place
from fourpoint_core.store.session import Sessions, reading, sessions_for, unit_of_work
from fourpoint_standalone.postgres import PostgresServer

SAMPLES = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
# One in a hundred is unlabeled; one in a thousand is Ben's, difficult, and has the rare label and attribute.
_SEED = """
INSERT INTO samples (id, dataset_id, name, object_key, object_etag, digest, media_type, size_bytes, width,
    height, created_by, created_at, revision, annotation_count, labeled_by, labeled_at)
SELECT gen_random_uuid(), :dataset, 'street_' || lpad(n::text, 6, '0') || '.jpg',
    'in/' || (n / 200) || '/street_' || n || '.jpg', '', '', 'image/jpeg', (n * 7919) % 100000, 10, 10, :ann,
    timestamptz '2026-01-01 00:00Z' + n * interval '1 minute', CASE WHEN n % 100 = 0 THEN 0 ELSE 1 END,
    CASE WHEN n % 100 = 0 THEN 0 ELSE 1 + n % 3 END,
    CASE WHEN n % 100 = 0 THEN NULL WHEN n % 1000 = 1 THEN :ben ELSE :ann END,
    CASE WHEN n % 100 > 0 THEN timestamptz '2026-02-01 00:00Z' END
FROM generate_series(1, :count) AS n;
INSERT INTO revisions (sample_id, number, action, author_id, created_at)
SELECT id, 1, 'replace', labeled_by, created_at FROM samples WHERE revision = 1;
INSERT INTO annotations (sample_id, annotation_id, valid_from, label_id, contour, bounding_box, area, method,
    created_by, difficult, attributes)
SELECT id, gen_random_uuid(), 1, CASE WHEN k = 1 AND labeled_by = :ben THEN :rare ELSE :common END,
    '{}', '[]', 1, 'polygon', labeled_by, labeled_by = :ben,
    CASE WHEN labeled_by = :ben THEN '{"colour": "red"}'::jsonb ELSE '{}' END
FROM samples, generate_series(1, annotation_count) AS k;
SELECT settle_samples(array_agg(id)) FROM samples
"""


@dataclass(frozen=True)
class Seeded:
    """A dataset that is large enough for the planner to prefer indexes."""

    sessions: Sessions
    dataset_id: UUID
    common: UUID
    rare: UUID
    ann: UUID
    ben: UUID


@pytest.fixture(scope="module")
def seeded(postgres: PostgresServer) -> Iterator[Seeded]:
    """Filled once: nothing here writes to it."""
    postgres.create_database("plans", template="migrated")
    engine = create_engine(postgres.url("plans"), poolclass=NullPool)
    sessions = sessions_for(engine)
    dataset = make_dataset(sessions, input_path="in/")
    common, rare = (make_label(sessions, dataset, name, i).id for i, name in enumerate(("common", "rare"), 1))
    ann, ben = make_user(sessions, "Ann").id, make_user(sessions, "Ben").id
    found = Seeded(sessions, dataset.id, common, rare, ann, ben)
    values = {"dataset": dataset.id, "common": common, "rare": rare, "ann": ann, "ben": ben, "count": SAMPLES}
    with unit_of_work(sessions) as session:
        for statement in _SEED.split(";"):
            session.execute(text(statement), values)
        while tallies.fold(session):
            pass
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield found
    postgres.drop_database("plans")


def plan_of(seeded: Seeded, action: Callable[[Session], Any]) -> str:
    """The plans of all that `action` asks the database; what it wrote is taken back."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    engine = seeded.sessions.kw["bind"]
    with unit_of_work(seeded.sessions) as session:
        event.listen(engine, "before_cursor_execute", note)
        try:
            action(session)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        connection = session.connection()
        plan = "\n".join(
            line
            for statement, parameters in asked
            for (line,) in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        )
        session.rollback()
        return plan


def page_plan(seeded: Seeded, wanted: SampleFilter, sort: str, after: Place | None = None) -> str:
    return plan_of(
        seeded,
        lambda session: sample_filters.list_samples(session, seeded.dataset_id, wanted, SORTS[sort], after, 50),
    )


def reads_a_table_through(plan: str) -> bool:
    # Of datasets there is one, on a single page.
    return "Seq Scan" in plan.replace("Seq Scan on datasets", "")


MIDDLE = {
    "created_at": START + timedelta(minutes=SAMPLES // 2),
    "name": f"street_{SAMPLES // 2:06d}.jpg",
    "size": 50_000,
    "annotation_count": 2,
}
MIDDLE_PLACE = {sort: Place(value, UUID(int=1 << 127)) for sort, value in MIDDLE.items()}
INDEX_OF_SORT = {
    "created_at": "ix_samples_dataset_id_created_at_id",
    "name": "ix_samples_name",
    "size": "ix_samples_size",
    "annotation_count": "ix_samples_annotation_count",
}


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("sort", INDEX_OF_SORT)
@pytest.mark.parametrize("place", ["first", "middle"])
def test_every_order_is_that_of_an_index(seeded: Seeded, sort: str, sign: str, place: str) -> None:
    after = None if place == "first" else MIDDLE_PLACE[sort]
    plan = page_plan(seeded, SampleFilter(), sign + sort, after)
    assert INDEX_OF_SORT[sort] in plan
    assert "Sort" not in plan
    assert (place == "first") == ("ROW(" not in plan)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("unlabeled", "ix_samples_unlabeled"),
        ("rare label", "ix_sample_labels_label_id"),
        ("common label", "ix_sample_labels_label_id"),
        ("both labels", "ix_sample_labels_label_id"),
        ("rare labeler", "ix_samples_labeled_by"),
        ("after a time", "ix_samples_dataset_id_created_at_id"),
    ],
)
def test_one_index_serves_filter_and_order(seeded: Seeded, name: str, index: str) -> None:
    wanted = {
        "unlabeled": SampleFilter(status=Status.UNLABELED),
        "rare label": SampleFilter(label_ids=(seeded.rare,)),
        "common label": SampleFilter(label_ids=(seeded.common,)),
        "both labels": SampleFilter(label_ids=(seeded.rare, seeded.common), label_match=LabelMatch.ALL),
        "rare labeler": SampleFilter(labeled_by=(seeded.ben,)),
        "after a time": SampleFilter(created_after=MIDDLE["created_at"]),
    }[name]
    plan = page_plan(seeded, wanted, "created_at")
    assert index in plan
    assert "Sort" not in plan
    assert not reads_a_table_through(plan)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (SampleFilter(name_contains="012345"), "ix_sample_paths_grams"),
        (SampleFilter(name_contains="0123"), "ix_sample_paths_grams"),
        (SampleFilter(path_prefix="in/57/"), "ix_samples_key"),
        (SampleFilter(difficult=True), "ix_sample_states_difficult"),
        (SampleFilter(attributes=(("colour", "red"),)), "ix_sample_states_attribute_terms"),
    ],
)
def test_what_is_rare_is_found_by_its_own_index(seeded: Seeded, wanted: SampleFilter, index: str) -> None:
    plan = page_plan(seeded, wanted, "size")
    assert index in plan
    assert not reads_a_table_through(plan)


def test_a_rare_label_of_the_past_is_found_by_its_index(seeded: Seeded) -> None:
    wanted = SampleFilter(label_ids=(seeded.rare,), at=datetime(2026, 6, 1, tzinfo=UTC))
    assert "ix_sample_states_label_ids" in page_plan(seeded, wanted, "created_at")


@pytest.mark.parametrize("needle", ["s", "st", "street", "jpg", "."])
def test_what_nearly_all_names_contain_is_read_in_order(seeded: Seeded, needle: str) -> None:
    plan = page_plan(seeded, SampleFilter(name_contains=needle), "created_at")
    assert "Index Scan using ix_samples_dataset_id_created_at_id" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("sort", INDEX_OF_SORT)
def test_neighbours_are_read_from_the_index_both_ways(seeded: Seeded, sort: str) -> None:
    with reading(seeded.sessions) as session:
        (some,) = sample_filters.list_samples(
            session, seeded.dataset_id, SampleFilter(), SORTS[sort], MIDDLE_PLACE[sort], 1
        ).rows
    plan = plan_of(
        seeded, lambda session: sample_filters.neighbours(session, UUID(some.id), SampleFilter(), SORTS[sort])
    )
    index = INDEX_OF_SORT[sort]
    assert f"Scan using {index}" in plan
    assert f"Scan Backward using {index}" in plan
    assert "Sort" not in plan


def test_the_next_unlabeled_image_is_read_from_the_index_of_the_unlabeled(seeded: Seeded) -> None:
    def take(session: Session) -> None:
        sample_leases.take_next(
            session,
            seeded.dataset_id,
            SampleFilter(status=Status.UNLABELED),
            SORTS["created_at"],
            seeded.ann,
            timedelta(minutes=1),
        )

    assert "ix_samples_unlabeled" in plan_of(seeded, take)


def test_counts_read_no_samples(seeded: Seeded) -> None:
    def count(session: Session) -> None:
        tallies.sample_totals(session, seeded.dataset_id)
        tallies.by_label(session, seeded.dataset_id)
        tallies.by_labeler(session, seeded.dataset_id)
        tallies.by_day(session, seeded.dataset_id, START.date(), START.date())
        dashboards.read(session, seeded.dataset_id)
        sample_filters.count_exactly(session, seeded.dataset_id, SampleFilter(status=Status.LABELED))

    plan = plan_of(seeded, count)
    assert "on samples" not in plan
    assert "on annotations" not in plan


@pytest.mark.parametrize("objects", [1, 20])
def test_a_save_looks_up_the_rows_that_it_changes(seeded: Seeded, objects: int) -> None:
    def save(session: Session) -> None:
        first = sample_filters.list_samples(
            session, seeded.dataset_id, SampleFilter(status=Status.LABELED), SORTS["created_at"], None, 1
        )
        sample = samples.get_sample(session, UUID(first.rows[0].id), lock=True)
        before = annotations.current_annotations(session, sample.id)
        current = {item.row.annotation_id: item.row for item in before}
        wanted = [
            replace(annotations.content_of(before[0].row), id=uuid4(), label_id=seeded.rare)
            for _ in range(objects)
        ]
        assert annotations.replace_document(session, sample, current, wanted, seeded.ann) is not None

    with unit_of_work(seeded.sessions) as session:
        # As often as it takes until PostgreSQL keeps the plans of the functions that a save asks.
        for _ in range(7):
            save(session)
        scans = session.connection().exec_driver_sql(
            "SELECT relname, seq_scan, idx_scan FROM pg_stat_xact_user_tables"
            " WHERE relname IN ('samples', 'annotations', 'revisions')"
        )
        found = {name: (whole, by_index > 0) for name, whole, by_index in scans}
        session.rollback()
    assert found == dict.fromkeys(("samples", "annotations", "revisions"), (0, True))


def test_before_a_save_only_the_objects_of_its_image_are_read(seeded: Seeded) -> None:
    with unit_of_work(seeded.sessions) as session:
        first = sample_filters.list_samples(
            session, seeded.dataset_id, SampleFilter(status=Status.LABELED), SORTS["created_at"], None, 1
        )
        # As above; the first times PostgreSQL plans for just this image.
        for _ in range(7):
            opened = held_documents.open_to_replace(session, UUID(first.rows[0].id), [])
        read = session.connection().scalar(
            text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'annotations'")
        )
    # Once for the labels that are in use, and once for the objects.
    assert read == 7 * 2 * len(opened.shown)


def test_neighbours_under_a_label_are_read_from_its_index(seeded: Seeded) -> None:
    with unit_of_work(seeded.sessions) as session:
        page = sample_filters.list_samples(
            session, seeded.dataset_id, SampleFilter(), SORTS["created_at"], MIDDLE_PLACE["created_at"], 1
        )
    middle, wanted = UUID(page.rows[0].id), SampleFilter(label_ids=(seeded.common,))
    plan = plan_of(
        seeded, lambda session: sample_filters.neighbours(session, middle, wanted, SORTS["created_at"])
    )
    assert "ix_sample_labels_label_id" in plan
    assert "Sort" not in plan
    assert not reads_a_table_through(plan)


def test_directories_are_read_from_their_index(seeded: Seeded) -> None:
    def read(session: Session) -> None:
        assert len(sample_paths.child_directories(session, seeded.dataset_id, "in/", 1000)) == 101

    plan = plan_of(seeded, read)
    assert "ix_sample_paths_directory" in plan
    assert not reads_a_table_through(plan)


def test_an_estimate_is_near(seeded: Seeded) -> None:
    wanted = SampleFilter(labeled_by=(seeded.ben,))
    with unit_of_work(seeded.sessions) as session:
        exact = sample_filters.count_exactly(session, seeded.dataset_id, wanted)
        estimate = sample_filters.estimate_count(session, seeded.dataset_id, wanted)
    assert exact / 3 < estimate < exact * 3
